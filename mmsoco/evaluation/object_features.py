"""Features of boxes from every module of a detector, as fine-tuning pools."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmcv.ops import RoIAlign
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from mmsoco.checkpoints import io
from mmsoco.checkpoints.export import ENCODER
from mmsoco.checkpoints.load_report import (
    compare,
    depends_on_classes,
    part_of,
)
from mmsoco.engine.hooks.precise_bn_hook import recompute_statistics
from mmsoco.images.reading import read_rgb
from mmsoco.models.detector_parts import probe_levels
from mmsoco.models.object_encoder import ObjectEncoder
from mmsoco.models.roi_pooling import RoIs, merge_levels, roi_align

from .labelled_pictures import LabelledPicture

# mmdet's finest_scale of a SingleRoIExtractor that does not name one.
FINE_TUNING_SCALE = 56
# Largest stride of common pyramids up to P5.
_PAD_DIVISOR = 32
# With 16 pictures each, the standard error of a channel's mean is below a
# tenth of its deviation even if all pixels of a picture are alike.
_STATISTICS_BATCHES = 12


class Batch(NamedTuple):
    """Normalized pictures with their boxes.

    Attributes:
        images: (N, 3, H, W) float32, zeros at the right and bottom margin.
        boxes: (R, 5) float32: picture in the batch, x1, y1, x2, y2 in pixels
            of ``images``.
    """

    images: Tensor
    boxes: Tensor


def build_encoder(detector: dict, seed: int = 0) -> ObjectEncoder:
    """Build the untrained network of a detector's config.

    Args:
        detector: Config of an mmdet detector (its whole ``model``). Boxes
            go to pyramid levels as fine-tuning assigns them.
        seed: Seed of the start weights.

    Returns:
        The encoder in evaluation mode.

    Raises:
        TypeError: See `ObjectEncoder`.
        ValueError: See `ObjectEncoder`.
    """
    extractor = (detector.get('roi_head') or {}).get('bbox_roi_extractor', {})
    if isinstance(extractor, (list, tuple)):
        extractor = extractor[0]
    scale = extractor.get('finest_scale', FINE_TUNING_SCALE)
    with (
        torch.random.fork_rng(devices=[]),
        DefaultScope.overwrite_default_scope('mmsoco'),
        _quiet(),
    ):
        torch.manual_seed(seed)
        encoder = ObjectEncoder(detector, 'assigned', scale)
        encoder.init_weights()
    return encoder.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back mmengine's line per tensor about its start values."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def load_weights(
    encoder: ObjectEncoder, weights: str | Path | Mapping[str, Tensor]
) -> dict[str, int]:
    """Load weights into an encoder; parts that they lack stay untrained.

    Args:
        encoder: From `build_encoder`.
        weights: A pretraining checkpoint, an exported or fine-tuned
            detector's, or such a state dict. Heads that the encoder does not
            have (RPN, masks, classifier, regressor) are left out.

    Returns:
        Number of tensors that were loaded, by part.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has no weights, or a part of it fits only in
            pieces or not at all.
    """
    if isinstance(weights, Mapping):
        state = dict(weights)
    else:
        path = io.find_checkpoint(weights)
        state = io.state_dict_of(io.load_run(path), path)
    if any(name.startswith(ENCODER) for name in state):
        state = {
            name.removeprefix(ENCODER): tensor
            for name, tensor in state.items()
            if name.startswith(ENCODER)
        }
    own = encoder.state_dict()
    own_parts = {part_of(name) for name in own}
    state = {
        name: tensor
        for name, tensor in state.items()
        if part_of(name) in own_parts and not depends_on_classes(name)
    }
    report = compare(state, own)
    report.check()
    encoder.load_state_dict(state, strict=False)
    return {name: len(part.loaded) for name, part in report.parts.items()}


def batches(
    pictures: Sequence[LabelledPicture],
    image_size: tuple[int, int],
    normalize: Mapping,
    batch_size: int,
) -> Iterator[Batch]:
    """Read pictures as fine-tuning does: resized, normalized, padded.

    Args:
        pictures: The pictures.
        image_size: (h, w) that a picture is resized to fit into, its aspect
            ratio kept.
        normalize: The detector's ``data_preprocessor`` config: ``mean``,
            ``std`` and ``bgr_to_rgb``.
        batch_size: Pictures of a batch.

    Yields:
        Batches in the order of the pictures.
    """
    for start in range(0, len(pictures), batch_size):
        images, boxes = [], []
        chunk = pictures[start : start + batch_size]
        for place, picture in enumerate(chunk):
            image, scale = _read_resized(picture.path, image_size)
            images.append(_normalized(image, normalize))
            rows = torch.from_numpy(picture.boxes * scale)
            boxes.append(F.pad(rows, (1, 0), value=place))
        yield Batch(_stack_padded(images), torch.cat(boxes).float())


def _read_resized(
    path: Path, image_size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the (h, w, 3) uint8 RGB picture and (4,) scales of its boxes."""
    image = read_rgb(path)
    height, width = image.shape[:2]
    factor = min(image_size[0] / height, image_size[1] / width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    scale = np.array([size[0] / width, size[1] / height] * 2, np.float32)
    return resized, scale


def _normalized(image: np.ndarray, normalize: Mapping) -> Tensor:
    """Return (3, h, w) float32 in the order of channels of the detector."""
    if not normalize.get('bgr_to_rgb', True):
        image = image[..., ::-1]
    mean = np.array(normalize.get('mean', (0, 0, 0)), np.float32)
    std = np.array(normalize.get('std', (1, 1, 1)), np.float32)
    pixels = (image.astype(np.float32) - mean) / std
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _stack_padded(images: Sequence[Tensor]) -> Tensor:
    sides = [
        -(-max(image.shape[dim] for image in images) // _PAD_DIVISOR)
        * _PAD_DIVISOR
        for dim in (1, 2)
    ]
    out = torch.zeros(len(images), 3, *sides)
    for row, image in zip(out, images, strict=True):
        row[:, : image.shape[1], : image.shape[2]] = image
    return out


def rois_of(encoder: ObjectEncoder, boxes: Tensor) -> RoIs:
    """Assign (R, 5) boxes to the pyramid levels of the encoder."""
    extractor = encoder.roi_extractor
    levels = extractor.map_roi_levels(boxes, extractor.num_inputs)
    return RoIs(boxes, levels, tuple(levels.unique().tolist()))


class ModuleFeatures:
    """Computes the features of boxes after each module of an encoder.

    Args:
        encoder: From `build_encoder`.
    """

    def __init__(self, encoder: ObjectEncoder) -> None:
        self.encoder = encoder
        is_training = encoder.training
        self._stages = _pooling_layers(encoder.backbone, None)
        self._levels = []
        if encoder.neck is not None:
            self._levels = _pooling_layers(encoder.backbone, encoder.neck)
        encoder.train(is_training)

    @torch.no_grad()
    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Return (R, C) features of the batch's boxes by module.

        ``backbone.stageI`` and ``neck.levelI`` are all boxes pooled from
        one feature map and averaged over the bins, ``neck.own`` takes each
        box from its own level, and ``trunk`` is the box head's embedding.
        """
        encoder = self.encoder
        stages = encoder.backbone(batch.images)
        maps = stages
        if encoder.neck is not None:
            maps = encoder.neck(stages)
        features = {}
        for name, layers, values in (
            ('backbone.stage', self._stages, stages),
            ('neck.level', self._levels, maps),
        ):
            for number, (layer, value) in enumerate(
                zip(layers, values, strict=False), 1
            ):
                pooled = roi_align(layer, value, batch.boxes)
                features[f'{name}{number}'] = pooled.mean(dim=(2, 3))
        rois = rois_of(encoder, batch.boxes)
        if self._levels:
            levels = [features[f'neck.level{i + 1}'] for i in rois.used]
            is_own = [rois.levels == i for i in rois.used]
            features['neck.own'] = merge_levels(levels, is_own)
        features['trunk'] = encoder.embed(maps, [rois])[0][0]
        return features


def _pooling_layers(
    backbone: nn.Module, neck: nn.Module | None
) -> list[RoIAlign]:
    return [
        RoIAlign(7, 1 / level.stride, sampling_ratio=2)
        for level in probe_levels(backbone, neck)
    ]


def object_features(
    encoder: ObjectEncoder, data: Iterator[Batch]
) -> dict[str, np.ndarray]:
    """Return the (R, C) float32 features of all boxes by module."""
    features = ModuleFeatures(encoder)
    parts: dict[str, list[Tensor]] = {}
    for batch in data:
        for name, values in features(batch).items():
            parts.setdefault(name, []).append(values.float())
    return {name: torch.cat(own).numpy() for name, own in parts.items()}


class _WholePictures(nn.Module):
    """An encoder in the form that `recompute_statistics` runs."""

    def __init__(self, encoder: ObjectEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def data_preprocessor(self, batch: Batch, training: bool) -> dict:
        return batch._asdict()

    def forward(self, images: Tensor, boxes: Tensor, mode: str) -> None:
        maps = self.encoder(images)
        self.encoder.embed(maps, [rois_of(self.encoder, boxes)])


def use_precise_statistics(
    encoder: ObjectEncoder, data: Iterable[Batch]
) -> None:
    """Recompute batch norm's statistics on whole pictures and their boxes.

    Pretraining normalizes crops of other sizes; fine-tuning in evaluation
    mode normalizes whole pictures. The encoder is left in evaluation mode.

    Args:
        encoder: Its running statistics are replaced.
        data: The batches, of which the first few are used.
    """
    encoder.train()
    recompute_statistics(
        _WholePictures(encoder), data, num_iters=_STATISTICS_BATCHES
    )
    encoder.eval()
