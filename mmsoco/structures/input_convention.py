"""Describe how a network's input is computed from an image's pixels."""

import ast
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

# ImageNet's statistics of RGB images in 0..255.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
# The entry of a checkpoint's `meta`.
META_KEY = 'input'
# Options of preprocessors that reverse the channels: of mmdet, of mmcls.
_REVERSING = ('bgr_to_rgb', 'rgb_to_bgr', 'to_rgb')


class InputConvention(NamedTuple):
    """The input that weights expect, as part of a detector.

    Attributes:
        channels: ``'RGB'`` or ``'BGR'``; without meaning for one channel.
        mean: Value that is subtracted from each channel in 0..255, in this
            order; or a single value for all channels.
        std: Values by which the channels are then divided.
    """

    channels: str = 'RGB'
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @classmethod
    def of_detector(cls, detector: Mapping) -> 'InputConvention | None':
        """Read the convention from a detector's config.

        mmdet loads images as BGR, and its preprocessor reverses the channels
        if ``bgr_to_rgb`` or ``rgb_to_bgr`` is set, whichever; mean and
        deviation are in the resulting order. Without them, the values are not
        normalized.

        Args:
            detector: Config with ``data_preprocessor``.

        Returns:
            The convention; None if the config has none.
        """
        cfg = detector.get('data_preprocessor')
        if not isinstance(cfg, Mapping):
            return None
        mean, std = cfg.get('mean'), cfg.get('std')
        count = (detector.get('backbone') or {}).get('in_channels', 3)
        return cls(
            'RGB' if any(map(cfg.get, _REVERSING)) else 'BGR',
            tuple(map(float, mean)) if mean is not None else (0.0,) * count,
            tuple(map(float, std)) if std is not None else (1.0,) * count,
        )

    @classmethod
    def of_meta(cls, meta: Any) -> 'InputConvention | None':
        """Read the convention from a checkpoint's ``meta``.

        Args:
            meta: From one of our checkpoints, with an entry for it; or from
                one of mmengine's, with the text of the run's config.

        Returns:
            The convention; None if there is neither.

        Raises:
            TypeError: If a mean or deviation of the entry is not a number.
            ValueError: If one is not finite, or a deviation is 0.
        """
        if not isinstance(meta, Mapping):
            return None
        entry = meta.get(META_KEY)
        if isinstance(entry, Mapping) and entry.keys() >= set(cls._fields):
            mean, std = (
                tuple(map(float, entry[key])) for key in ('mean', 'std')
            )
            if not (np.isfinite([*mean, *std]).all() and all(std)):
                raise ValueError(
                    f'no network can have the input {dict(entry)}'
                )
            return cls(str(entry['channels']), mean, std)
        text = meta.get('cfg') or meta.get('config')
        if not isinstance(text, str):
            return None
        return cls.of_detector(dict(data_preprocessor=_preprocessor(text)))

    def to_meta(self) -> dict:
        """Return plain values for a checkpoint's ``meta``."""
        return dict(
            channels=self.channels, mean=list(self.mean), std=list(self.std)
        )

    def to_preprocessor(self) -> dict:
        """Return the arguments of `SoCoDataPreprocessor` that give it."""
        return dict(mean=self.mean, std=self.std, bgr=self.channels == 'BGR')

    def is_like(self, other: 'InputConvention') -> bool:
        """Return whether both give the same input, except for rounding."""
        ours, theirs = ([*of.mean, *of.std] for of in (self, other))
        return (
            self.channels == other.channels
            and len(ours) == len(theirs)
            and np.allclose(ours, theirs, atol=1e-2)
        )

    def check_file(self, meta: Any, source: object) -> None:
        """Refuse weights that expect another input than this one.

        Args:
            meta: The checkpoint's ``meta``; without an entry it passes.
            source: The file, for the message.

        Raises:
            ValueError: If the conventions differ.
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


def _preprocessor(text: str) -> dict | None:
    """Find a detector's ``data_preprocessor`` in the text of a config.

    The text is parsed, not run.
    """
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError):
        return None
    for statement in statements:
        if not isinstance(statement, ast.Assign):
            continue
        if getattr(statement.targets[0], 'id', None) != 'model':
            continue
        model = _entries(statement.value)
        model = _entries(model['detector']) if 'detector' in model else model
        found = _entries(model.get('data_preprocessor'))
        if not found:
            return None
        wanted = {'mean', 'std', *_REVERSING}
        try:
            return {
                k: ast.literal_eval(found[k]) for k in wanted & found.keys()
            }
        except ValueError:
            return None
    return None


def _entries(node: ast.AST | None) -> dict[str, ast.AST]:
    """Return the arguments of ``dict(...)`` by name."""
    if not isinstance(node, ast.Call):
        return {}
    return {word.arg: word.value for word in node.keywords if word.arg}
