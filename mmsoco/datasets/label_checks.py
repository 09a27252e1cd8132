"""Decide whether a detector can learn from labels."""

import unicodedata
from collections.abc import Mapping, Sequence

from mmsoco.utils.names import near
from mmsoco.utils.problems import Outcome

from .labels import Labels

_MOST_NAMED = 20


def check_labels(
    labels: Labels,
    classes: Sequence[str] | None = None,
    num_classes: int | Mapping[str, int] | None = None,
    source: str = 'the config',
) -> None:
    """Raise unless a detector can learn from labels.

    Args:
        labels: The labels.
        classes: The classes in the config, if there is one; by default those
            that the labels were read with.
        num_classes: The number of classes in the config, or several numbers by
            the names of their keys.
        source: Where ``classes`` come from, for the message.

    Raises:
        ValueError: If something cannot be repaired, names or numbers of
            classes differ, or there is no object to learn from. The message
            lists all of this above the table of classes.
    """
    found = list_errors(labels, classes, num_classes, source)
    if found:
        lines = [f'the labels {str(labels.path)!r} cannot be used:']
        lines += [f'- {line}' for line in found]
        raise ValueError('\n'.join([*lines, labels.summary()]))


def list_errors(
    labels: Labels,
    classes: Sequence[str] | None = None,
    num_classes: int | Mapping[str, int] | None = None,
    source: str = 'the config',
    need_objects: bool = True,
) -> list[str]:
    """List the reasons for which `check_labels` raises, one line each.

    Args:
        labels: See `check_labels`.
        classes: See `check_labels`.
        num_classes: See `check_labels`.
        source: See `check_labels`.
        need_objects: Whether labels without objects are an error.
    """
    found = [
        f'{problem.count} x {problem}'
        for problem in labels.problems.of(Outcome.STOP)
    ]
    classes = labels.chosen if classes is None else classes
    names = labels.classes if classes is None else tuple(classes)
    if classes is not None:
        found += _class_errors(labels, names, source)
    if num_classes is None:
        num_classes = {}
    elif isinstance(num_classes, int):
        num_classes = {'num_classes': num_classes}
    found += [
        f'{key} is {number}, but there are {len(names)} classes: '
        f'set it to {len(names)}'
        for key, number in num_classes.items()
        if number != len(names)
    ]
    if not labels.document['images']:
        found.append('there are no images')
    elif need_objects and not labels.num_usable:
        found.append(
            f'there is no object to learn from in '
            f'{len(labels.document["images"])} images{_all_ignored(labels)}'
        )
    return found


def _all_ignored(labels: Labels) -> str:
    """Say so where all objects are marked as ones that training ignores."""
    crowd = sum(count.crowd for count in labels.counts)
    if not crowd or crowd < sum(count.objects for count in labels.counts):
        return ''
    return (
        f': all {crowd} objects have iscrowd=1 (or ignore=1, or difficult in '
        'VOC), and training leaves such objects out. CVAT sets iscrowd for '
        'masks that are not polygons: set it to 0 in the file'
    )


def _class_errors(
    labels: Labels, classes: Sequence[str], source: str
) -> list[str]:
    """Compare the names of classes with those in the file."""
    there = [str(c['name']) for c in labels.document['categories']]
    found = [
        f'class {name!r} of {source} comes twice'
        for place, name in enumerate(classes)
        if name in classes[:place]
    ]
    missing = [name for name in classes if name not in there]
    found += [
        f'class {name!r} of {source} is not in the file{_alike(name, there)}'
        for name in missing[:10]
    ]
    if missing:
        found.append(
            f'{len(missing)} of the {len(classes)} classes of {source} are '
            f'not in the file, whose classes are {_some(there)}'
        )
    return found


def _alike(name: str, there: Sequence[str]) -> str:
    """Name the class that was meant, with codes if the two look alike."""
    forms = {unicodedata.normalize('NFC', other): other for other in there}
    other = forms.get(unicodedata.normalize('NFC', name))
    if other is None:
        return near(name, there)
    return (
        f', which has it in another Unicode form: {ascii(other)} instead of '
        f'{ascii(name)}'
    )


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    more = f' and {rest} more' if rest > 0 else ''
    return repr(tuple(names[:_MOST_NAMED])) + more
