"""Turn uint8 views into the network's input, on the device."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmsoco.registry import MODELS
from mmsoco.structures import InputConvention
from mmsoco.structures.input_convention import IMAGENET_MEAN, IMAGENET_STD

from .device_photometric import blur_drawn, jitter, solarize_drawn


@MODELS.register_module()
class SoCoDataPreprocessor(BaseDataPreprocessor):
    """Move a batch to the device, finish its views, clear the cutouts.

    Views arrive as uint8, a quarter of the size of float32. If the worker has
    only drawn the changes of their colors
    (``PhotometricJitter(on_device=True)``), these are applied first, to the
    whole batch at once. Then the views are normalized. Rectangles of
    ``data_samples['cutout']`` become 0 after normalizing, which is the mean.

    Args:
        mean: Mean of each channel in 0..255, in the order in which the
            network gets them; a single value holds for all channels.
        std: Standard deviation of each channel, as many values.
        bgr: Whether the network gets blue, green, red instead of red, green,
            blue; a fourth channel stays last, a single one is unchanged.
        channels_last: Whether the views are given in channels-last order in
            memory, which is faster on tensor cores.
        non_blocking: Whether the host continues while a batch is copied from
            pinned memory to the device.

    Raises:
        ValueError: If mean or std do not have one, three or four values, or
            a standard deviation is not positive; when called, if the views
            have another number of channels.
    """

    def __init__(
        self,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        bgr: bool = False,
        channels_last: bool = False,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        counts_fit = len(mean) == len(std) and len(mean) in (1, 3, 4)
        if not counts_fit or min(std) <= 0:
            raise ValueError(
                'mean and std must have three values each, std positive (one '
                'for gray, four for four channels); got '
                f'mean={mean!r} and std={std!r}'
            )
        self.convention = InputConvention(
            'BGR' if bgr else 'RGB',
            tuple(map(float, mean)),
            tuple(map(float, std)),
        )
        self.memory_format = (
            torch.channels_last if channels_last else torch.contiguous_format
        )
        for name, values in (('mean', mean), ('std', std)):
            tensor = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
            # Constants of the config, not weights: not saved in checkpoints.
            self.register_buffer(name, tensor, persistent=False)

        self._jitter, self._finish = jitter, finish
        self._compiled = False

    def compile_colors(self, **options: Any) -> None:
        """Compile the operations on single pixels.

        These are one function before the blur and one after it. Their sizes
        depend only on views and batch, so each size of view is compiled once.

        Args:
            options: Arguments of ``torch.compile``; ``dynamic`` is False
                unless given.
        """
        options = dict(dynamic=False) | options
        self._jitter = torch.compile(jitter, **options)
        self._finish = torch.compile(finish, **options)
        self._compiled = True

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make a batch ready for the model.

        Args:
            data: ``inputs``, a list of (B, h, w, C) uint8 or float32 tensors
                in 0..255, one per view with its own pixels, and
                ``data_samples`` with ``cutout``, a list of (B, R, 4) float32
                rectangles x1, y1, x2, y2 in pixels, one tensor per view, with
                ``photometric`` if colors are to be changed, ``sources`` if
                views are resized from others (see `PackViews`), and
                whatever else the model takes.
            training: Not used: there is no test-time pass.

        Returns:
            The same dict on the device, with ``inputs`` of (B, C, h, w)
            float32, one per view.
        """
        host_samples = data['data_samples']
        data = self.cast_data(data)
        samples = data['data_samples']
        views = [view.permute(0, 3, 1, 2) for view in data['inputs']]
        self._check_channels(views[0].shape[1])
        # The runner's autocast would blur in half precision.
        with torch.autocast(views[0].device.type, enabled=False):
            if 'photometric' in samples:
                views = [
                    self._finish_view(*of_view)
                    for of_view in zip(
                        views,
                        host_samples['photometric'],
                        samples['photometric'],
                        strict=True,
                    )
                ]
            else:
                views = [self._normalize(view) for view in views]
            views = add_resized(views, host_samples.get('sources'))
            data['inputs'] = [
                clear_rectangles(view, rectangles)
                for view, rectangles in zip(
                    views, samples['cutout'], strict=True
                )
            ]
        return data

    def _check_channels(self, channels: int) -> None:
        """Raise ValueError unless views have as many channels as the mean."""
        expected = len(self.convention.mean)
        if expected not in (1, channels):
            raise ValueError(
                f'the views have {channels} channels, but data_preprocessor '
                f'has a mean of {expected}; set '
                f'train_dataloader.dataset.channels={expected}, or give '
                'data_preprocessor of the detector (model.detector) a mean '
                f'and std of {channels} values, and its backbone in_channels='
                f'{channels}'
            )

    def _finish_view(
        self, view: Tensor, draws: Tensor, draws_on_device: Tensor
    ) -> Tensor:
        pointwise = draws_on_device if self._compiled else draws
        view = self._jitter(view, pointwise)
        view = blur_drawn(view, draws)
        return self._normalize(view, pointwise)

    def _normalize(self, view: Tensor, draws: Tensor | None = None) -> Tensor:
        if self.convention.channels == 'BGR':
            view = swap_colors(view)
        return self._finish(
            view, draws, self.mean, self.std, self.memory_format
        )


def finish(
    view: Tensor,
    draws: Tensor | None,
    mean: Tensor,
    std: Tensor,
    memory_format: torch.memory_format,
) -> Tensor:
    """Solarize and normalize a view.

    Args:
        view: (B, C, h, w) uint8 or float32 in 0..255; may be overwritten.
        draws: (B, 11) float32, see `jitter`; None if the worker has changed
            the colors.
        mean: (C, 1, 1) or (1, 1, 1) float32.
        std: Likewise.
        memory_format: Order of the result in memory.

    Returns:
        (B, C, h, w) float32.
    """
    if draws is not None:
        view = solarize_drawn(view, draws)
    view = view.to(torch.float32, memory_format=memory_format)
    return (view - mean).div_(std)


def swap_colors(view: Tensor) -> Tensor:
    """Convert RGB to BGR; a fourth channel stays last.

    Args:
        view: (B, C, h, w); a single channel is unchanged.
    """
    if view.shape[1] < 3:
        return view
    return view.flip(1) if view.shape[1] == 3 else view[:, [2, 1, 0, 3]]


def add_resized(
    views: Sequence[Tensor], sources: Sequence[Tensor] | None
) -> list[Tensor]:
    """Insert the views that are resized from others.

    They are resized from normalized pixels, which is equivalent because
    normalizing is linear.

    Args:
        views: (B, C, h, w) per view with its own pixels.
        sources: (B, 3) per view, on the host: the view that it takes its
            pixels from, counted from 1, height and width; the same for the
            whole batch. None if no view is resized.

    Returns:
        (B, C, h, w) per view.
    """
    if sources is None:
        return list(views)
    layout = [rows[0].tolist() for rows in sources]
    own = [number for number, row in enumerate(layout, 1) if row[0] == number]
    pixels = dict(zip(own, views, strict=True))
    return [
        pixels[of] if of == number else _resize(pixels[of], size)
        for number, (of, *size) in enumerate(layout, 1)
    ]


def _resize(view: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(
        view, size=size, mode='bilinear', align_corners=False, antialias=True
    )


def clear_rectangles(view: Tensor, rectangles: Tensor) -> Tensor:
    """Set the pixels inside rectangles to zero, in place.

    A pixel is inside if its center is, left and upper edge included.

    Args:
        view: (B, C, h, w) float images.
        rectangles: (B, R, 4) boxes x1, y1, x2, y2 in pixels; those without
            area have no effect.

    Returns:
        ``view``.
    """
    if not rectangles.shape[1]:
        return view
    x1, y1, x2, y2 = rectangles[..., None].unbind(2)  # (B, R, 1) each
    columns = torch.arange(view.shape[3], device=view.device) + 0.5
    rows = torch.arange(view.shape[2], device=view.device) + 0.5
    in_columns = (x1 <= columns) & (columns < x2)  # (B, R, w)
    in_rows = (y1 <= rows) & (rows < y2)  # (B, R, h)
    hidden = in_rows[..., :, None] & in_columns[..., None, :]  # (B, R, h, w)
    return view.masked_fill_(hidden.any(dim=1)[:, None], 0)
