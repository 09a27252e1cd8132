"""Refuse misspelled keys of dicts that no constructor checks.

Pretraining does not build the heads of a detector, so that nothing reads their
settings, and a typo would show only in fine-tuning, as a setting without
effect.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmsoco.config.keys import walk
from mmsoco.config.reads import FOUNDATIONS, keys_read
from mmsoco.registry import MODELS
from mmsoco.utils.names import near

_SETTINGS = ('train_cfg', 'test_cfg')
# Keys in mmdet's own configs that mmdet's code does not read there, or does
# not read in a detector without its mask head.
_IDLE = frozenset(
    'debug allowed_border pos_weight assigner sampler score_voting '
    'bbox_min_size mask_size mask_thr_binary'.split()
)
# Blocks that are passed on as keyword arguments.
_ARGUMENTS = ('isr', 'carl')
# "asigner" for "assigner": 0.93.
_ALIKE = 0.85
_KNOWN_PACKAGES = ('mmdet', 'mmsoco', 'mmcls', 'mmselfsup')


def check_settings_of_detector(place: str, detector: Mapping) -> None:
    """Refuse keys of ``train_cfg`` and ``test_cfg`` that nothing reads.

    Args:
        place: Key of the detector in its config.
        detector: The dict of the detector.

    Raises:
        ValueError: At the first such key; the message lists the known ones.
    """
    kinds = list(_classes_in(place, detector))
    whole = MODELS.get(detector['type']) if 'type' in detector else None
    for name in _SETTINGS:
        for at, node in _blocks(f'{place}.{name}', detector.get(name)):
            # A two-stage detector only reads the names of the blocks; all
            # others pass the whole dict to their head.
            is_outer = at == f'{place}.{name}' and 'roi_head' in detector
            check_read(at, node, [whole] if is_outer and whole else kinds)


def check_read(place: str, node: Mapping, kinds: Sequence[type]) -> None:
    """Refuse a key of a dict that no class reads.

    Args:
        place: Key of the dict in its config.
        node: The dict.
        kinds: The classes that get it.

    Raises:
        ValueError: The first such key. Of a user's own class, whose code may
            read in other ways, only what looks like a misspelled key.
    """
    known = keys_read(kinds)
    if not known:
        return
    packages = {kind.__module__.partition('.')[0] for kind in kinds}
    own = packages <= {*_KNOWN_PACKAGES, *FOUNDATIONS}
    for key in node:
        if not isinstance(key, str) or key in known | _IDLE:
            continue
        if own or difflib.get_close_matches(key, known, 1, _ALIKE):
            readable = sorted(k for k in known if k not in dir(dict))
            raise ValueError(
                f'unknown key {place}.{key}{near(key, known)} (read are '
                f'{", ".join(readable)})'
            )


def _classes_in(place: str, detector: Mapping) -> Iterator[type]:
    for _, node in walk(place, detector):
        kind = node.get('type') if isinstance(node, Mapping) else None
        kind = MODELS.get(kind) if isinstance(kind, str) else kind
        if isinstance(kind, type):
            yield kind


def _blocks(place: str, node: Any) -> Iterator[tuple[str, Mapping]]:
    """Yield the dicts without a type in settings, with their keys.

    The entries of a dict with a type are arguments of that type.
    """
    if isinstance(node, Mapping) and 'type' not in node:
        yield place, node
        for key, value in node.items():
            if key not in _ARGUMENTS:
                yield from _blocks(f'{place}.{key}', value)
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _blocks(f'{place}.{index}', value)
