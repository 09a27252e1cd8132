"""How the numbers of a network's input come from an image's pixels."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

# ImageNet's statistics of RGB images in 0..255.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
# The entry of a checkpoint's `meta`.
META_KEY = 'input'


class InputConvention(NamedTuple):
    """What weights expect of their input: part of a detector.

    Attributes:
        channels: ``'RGB'`` or ``'BGR'``.
        mean: What is subtracted from each channel of 0..255, in this order.
        std: What each is then divided by.
    """

    channels: str = 'RGB'
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @classmethod
    def of_detector(cls, detector: Mapping) -> 'InputConvention | None':
        """Read the convention from a detector's config.

        mmdet loads images as BGR, and its preprocessor turns them round where
        ``bgr_to_rgb`` says so; mean and deviation are in the order that
        results. Without them nothing is subtracted or divided.

        Args:
            detector: Config with ``data_preprocessor``.

        Returns:
            The convention; None where the detector does not say.

        Raises:
            ValueError: Mean or deviation do not have three values.
        """
        cfg = detector.get('data_preprocessor')
        if not isinstance(cfg, Mapping):
            return None
        mean, std = cfg.get('mean'), cfg.get('std')
        convention = cls(
            'RGB' if cfg.get('bgr_to_rgb') else 'BGR',
            tuple(map(float, mean)) if mean is not None else (0.0,) * 3,
            tuple(map(float, std)) if std is not None else (1.0,) * 3,
        )
        if len(convention.mean) != 3 or len(convention.std) != 3:
            raise ValueError(
                "the detector's data_preprocessor needs three values of mean "
                f'and std each, got mean={mean!r} and std={std!r}'
            )
        return convention

    @classmethod
    def of_meta(cls, meta: Any) -> 'InputConvention | None':
        """Read the convention from a checkpoint's ``meta``, if it is there."""
        entry = meta.get(META_KEY) if isinstance(meta, Mapping) else None
        if not isinstance(entry, Mapping) or not entry.keys() >= set(
            cls._fields
        ):
            return None
        return cls(
            str(entry['channels']), tuple(entry['mean']), tuple(entry['std'])
        )

    def to_meta(self) -> dict:
        """Return plain values for a checkpoint's ``meta``."""
        return dict(
            channels=self.channels, mean=list(self.mean), std=list(self.std)
        )

    def is_like(self, other: 'InputConvention') -> bool:
        """Whether two conventions give the same input, but for rounding."""
        return self.channels == other.channels and np.allclose(
            [*self.mean, *self.std], [*other.mean, *other.std], atol=1e-2
        )

    def check_file(self, meta: Any, source: object) -> None:
        """Refuse weights that expect another input than this one.

        Args:
            meta: The checkpoint's ``meta``; without an entry it passes.
            source: The file, for the message.

        Raises:
            ValueError: The conventions differ.
        """
        expected = self.of_meta(meta)
        if expected is not None and not self.is_like(expected):
            raise ValueError(
                f'{source} was trained on {expected}, but this model gives '
                f'its network {self}. Set data_preprocessor of the detector '
                f'to mean={list(expected.mean)}, std={list(expected.std)}, '
                f'bgr_to_rgb={expected.channels == "RGB"}.'
            )

    def __str__(self) -> str:
        numbers = ', '.join(
            f'{name} ' + ' '.join(f'{value:g}' for value in values)
            for name, values in (('mean', self.mean), ('std', self.std))
        )
        return f'{self.channels}, {numbers}'
