"""Check the labels that a detector's config reads, before it is built.

mmdet does not check them: a class whose name the file spells differently
shifts the labels of all later classes, and a number of classes that is too low
trains silently.
"""

import inspect
import os
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmdet.datasets import BaseDetDataset, CocoDataset
from mmengine.fileio import list_from_file
from mmengine.utils import is_abs

from mmsoco.registry import DATASETS
from mmsoco.utils.problems import Outcome

from .filtered_pictures import note_filtered
from .label_checks import list_errors
from .label_reading import read_labels
from .labels import Labels

SPLITS = ('train', 'val', 'test')
# Parts of a detector whose number of classes is not that of its labels.
_OTHER_PARTS = ('backbone', 'neck', 'rpn_head', 'semantic_head')


class _Place(NamedTuple):
    """A dataset of a config.

    Attributes:
        key: Its place in the config.
        split: ``train``, ``val`` or ``test``.
        dataset: The dict itself.
    """

    key: str
    split: str
    dataset: MutableMapping


def check_detector_labels(
    cfg: Mapping,
    splits: Sequence[str] = SPLITS,
    repaired_dir: str | os.PathLike | None = None,
) -> dict[str, Labels]:
    """Check all COCO labels of a config, and repair what can be repaired.

    If a file had to be repaired, the repaired one is written to
    ``repaired_dir`` and used in the config's datasets and metrics. Call it
    before the runner is built; print ``describe_labels`` of the result.

    Args:
        cfg: A detector's config; changed in place.
        splits: Which of ``train``, ``val`` and ``test`` to check.
        repaired_dir: By default ``labels`` below the config's ``work_dir``.

    Returns:
        The labels by the config keys of their datasets; empty if no dataset is
        a `CocoDataset` on a local disk.

    Raises:
        ValueError: If labels and config do not fit each other, or labels
            cannot be used. The message lists all reasons.
        FileNotFoundError: If a file or folder of labels is not there.
    """
    found: dict[str, Labels] = {}
    errors: list[str] = []
    classes_of: dict[str, tuple[str, ...]] = {}
    for place in _places(cfg, splits):
        classes, source = _classes(place)
        classes_of[source] = classes
        labels = _read(place, classes)
        if labels is None:
            continue
        wants_masks = _wanted_masks(cfg, place)
        if wants_masks and labels.has_masks:
            labels = labels.of_masks()
        listed = list_errors(
            labels,
            num_classes=dict(_class_numbers(cfg.get('model') or {}, 'model')),
            source=source,
            need_objects=place.split != 'test',
        )
        listed += _mask_errors(wants_masks, labels)
        if not place.dataset.get('test_mode'):
            note_filtered(labels, place.dataset.get('filter_cfg'))
        errors += [f'{place.key}: {line}' for line in listed]
        found[place.key] = labels
    errors += _split_errors(classes_of)
    errors += _metric_errors(cfg, splits)
    if errors:
        lines = [f'- {line}' for line in dict.fromkeys(errors)]
        raise ValueError(
            'the labels do not fit the config:\n'
            + '\n'.join([*lines, describe_labels(found)])
        )
    _use_repaired(cfg, found, repaired_dir)
    return found


def describe_labels(found: Mapping[str, Labels]) -> str:
    """Describe the labels of a config, each file only once."""
    keys: dict[str, list[str]] = {}
    for key, labels in found.items():
        keys.setdefault(labels.summary(), []).append(key)
    return '\n'.join(
        f'{", ".join(names)}: {summary}' for summary, names in keys.items()
    )


def unchecked_labels(
    cfg: Mapping, splits: Sequence[str], found: Mapping[str, Labels]
) -> str:
    """Say which labels of mmdet's datasets were not checked.

    Args:
        cfg: A detector's config.
        splits: Those that were checked.
        found: What `check_detector_labels` returned.

    Returns:
        A line for each dataset, none if all labels were checked.
    """
    unread = [p for p in _labelled(cfg, splits) if p.key not in found]
    kinds = [getattr(_kind_of(p.dataset), '__name__', '') for p in unread]
    return '\n'.join(
        f'{place.key} ({kind}): its labels are not checked; only COCO JSON '
        'on a local disk is'
        for place, kind in zip(unread, kinds, strict=True)
    )


def _places(cfg: Mapping, splits: Sequence[str] = SPLITS) -> Iterator[_Place]:
    for place in _labelled(cfg, splits):
        if _class_of(place.dataset) is not None:
            yield place


def _labelled(cfg: Mapping, splits: Sequence[str]) -> Iterator[_Place]:
    """Yield the datasets of mmdet that read labels."""
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        if isinstance(loader, Mapping) and 'dataset' in loader:
            key = f'{split}_dataloader.dataset'
            yield from _unwrap(loader['dataset'], key, split)


def _unwrap(dataset: Any, key: str, split: str) -> Iterator[_Place]:
    """Yield the labelled datasets within wrappers such as RepeatDataset."""
    if not isinstance(dataset, MutableMapping):
        return
    if isinstance(dataset.get('dataset'), Mapping):
        yield from _unwrap(dataset['dataset'], f'{key}.dataset', split)
    for number, part in enumerate(dataset.get('datasets') or ()):
        yield from _unwrap(part, f'{key}.datasets[{number}]', split)
    if dataset.get('ann_file') and _kind_of(dataset) is not None:
        yield _Place(key, split, dataset)


def _kind_of(dataset: Mapping) -> type[BaseDetDataset] | None:
    """Return the class of a dataset of mmdet, None for others."""
    kind = dataset.get('type')
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    is_of_mmdet = inspect.isclass(kind) and issubclass(kind, BaseDetDataset)
    return kind if is_of_mmdet else None


def _class_of(dataset: Mapping) -> type[CocoDataset] | None:
    """Return the class of a dataset that reads labels in COCO's format."""
    kind = _kind_of(dataset)
    if kind is None or not issubclass(kind, CocoDataset):
        return None
    coco: type[CocoDataset] = kind
    # LVIS and Objects365 have their own formats.
    same = coco.load_data_list is CocoDataset.load_data_list
    return coco if same else None


def _classes(place: _Place) -> tuple[tuple[str, ...], str]:
    """Return the classes of a dataset and where they come from.

    Raises:
        ValueError: If they are not a list of names.
    """
    metainfo = place.dataset.get('metainfo') or {}
    key = f'{place.key}.metainfo'
    if 'classes' not in metainfo:
        alike = [k for k in metainfo if str(k).lower() == 'classes']
        if alike:
            raise ValueError(
                f'{key} has the key {alike[0]!r}, which mmdet does not read; '
                "write 'classes'"
            )
        kind = _class_of(place.dataset)
        assert kind is not None  # other datasets are no places
        default = tuple(kind.METAINFO.get('classes') or ())
        return default, (
            f'{kind.__name__} ({key} names no classes, so that its own '
            f'{len(default)} are taken)'
        )
    classes = metainfo['classes']
    if isinstance(classes, str):
        if not os.path.isfile(classes):
            raise ValueError(
                f'{key}.classes is the text {classes!r}; expected names in '
                f'a tuple, with a comma even for one: ({classes!r},)'
            )
        classes = list_from_file(classes)
    return tuple(classes), f'{key}.classes'


def _read(place: _Place, classes: tuple[str, ...]) -> Labels | None:
    """Read the labels of a dataset, if they are on a local disk."""
    path, images = _paths(place.dataset)
    if '://' in path or '://' in images:
        return None
    return read_labels(path, images, classes, place.split == 'test')


def _paths(dataset: Mapping) -> tuple[str, str]:
    """Join a dataset's label file and picture folder as mmengine does."""
    root = dataset.get('data_root') or ''
    prefix = (dataset.get('data_prefix') or {}).get('img', '')
    labels, images = (
        path if is_abs(path) else os.path.join(root, path)
        for path in (dataset['ann_file'], prefix)
    )
    return labels, images


def _class_numbers(part: Any, key: str) -> Iterator[tuple[str, int]]:
    """Yield each number of classes of a detector's heads, with its key."""
    if isinstance(part, Mapping):
        for name, value in part.items():
            if name == 'num_classes' and 'head' in key:
                yield f'{key}.{name}', value
            elif name not in _OTHER_PARTS:
                yield from _class_numbers(value, f'{key}.{name}')
    elif isinstance(part, list | tuple):
        for number, value in enumerate(part):
            yield from _class_numbers(value, f'{key}[{number}]')


def _wanted_masks(cfg: Mapping, place: _Place) -> list[str]:
    """Return the keys of a config that need the masks of a dataset."""
    if place.split == 'train':
        return [
            f'{place.key}.pipeline'
            for step in place.dataset.get('pipeline') or ()
            if isinstance(step, Mapping) and step.get('with_mask')
        ]
    return [
        key
        for key, metric in _metrics(cfg, place.split)
        if 'segm' in metric.get('metric', ())
    ]


def _mask_errors(wanted: Sequence[str], labels: Labels) -> list[str]:
    """Say where masks are needed but missing."""
    if labels.has_masks or not labels.num_usable:
        return []
    without = labels.num_usable - labels.num_masks
    return [
        f'{key} needs masks, but {without} of {labels.num_usable} objects '
        'have none; train a detector of boxes, such as Faster R-CNN'
        for key in wanted
    ]


def _metrics(cfg: Mapping, split: str) -> list[tuple[str, MutableMapping]]:
    """Return the metrics of a split with their keys."""
    key = f'{split}_evaluator'
    metrics = cfg.get(key) or ()
    if isinstance(metrics, MutableMapping):
        return [(key, metrics)]
    return [(f'{key}[{n}]', m) for n, m in enumerate(metrics)]


def _split_errors(classes_of: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Compare the classes of training and evaluation."""
    if len(set(classes_of.values())) < 2:
        return []
    texts = '; '.join(f'{key} has {c}' for key, c in classes_of.items())
    return [f'all datasets need the same classes in the same order: {texts}']


def _metric_errors(cfg: Mapping, splits: Sequence[str]) -> list[str]:
    """Compare the label files of metrics and datasets."""
    errors = []
    places = list(_places(cfg, splits))
    for split in splits:
        read = [_paths(p.dataset)[0] for p in places if p.split == split]
        errors += [
            f'{key}.ann_file is {metric["ann_file"]!r}, but '
            f'{split}_dataloader reads {read[0]!r}: name the same file'
            for key, metric in _metrics(cfg, split)
            if metric.get('ann_file')
            and read
            and not any(_same_file(metric['ann_file'], path) for path in read)
        ]
    return errors


def _same_file(first: str, second: str) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _use_repaired(
    cfg: Mapping,
    found: Mapping[str, Labels],
    repaired_dir: str | os.PathLike | None,
) -> None:
    """Write repaired labels, and use them in the config."""
    for place in list(_places(cfg)):
        labels = found.get(place.key)
        if labels is None or not labels.is_changed:
            continue
        folder = repaired_dir or os.path.join(
            cfg.get('work_dir') or 'work_dirs', 'labels'
        )
        name = f'{place.split}_{labels.path.stem}.json'
        path = Path(folder).absolute() / name
        labels.write(path)
        labels.problems.add(Outcome.NOTE, 'repaired file', str(path))
        for _, metric in _metrics(cfg, place.split):
            named = metric.get('ann_file')
            if named and _same_file(named, str(labels.path)):
                metric['ann_file'] = str(path)
        place.dataset['ann_file'] = str(path)
