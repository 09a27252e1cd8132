"""Count the pictures and objects of each class in labels."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from mmsoco.utils.problems import table

from .coco_objects import is_degenerate, is_ignored, is_usable


class ClassCount(NamedTuple):
    """What the labels hold of one class.

    Attributes:
        name: The class.
        images: Pictures with at least one object that training uses.
        objects: All objects.
        crowd: Objects marked ``iscrowd`` or ``ignore``, which training
            ignores.
        degenerate: Objects narrower than a pixel, which training ignores.
    """

    name: str
    images: int
    objects: int
    crowd: int
    degenerate: int

    @property
    def usable(self) -> int:
        """Objects that a detector learns from."""
        return self.objects - self.crowd - self.degenerate


def count_objects(
    document: dict, classes: Sequence[str] | None
) -> tuple[tuple[ClassCount, ...], int]:
    """Count the objects of each class, and masks of usable ones."""
    names = {c['id']: c['name'] for c in document['categories']}
    numbers = {key: [0, 0, 0] for key in names}
    pictures: dict[Any, set] = {key: set() for key in names}
    num_masks = 0
    for annotation in document['annotations']:
        key = annotation['category_id']
        ignored = is_ignored(annotation)
        numbers[key][0] += 1
        numbers[key][1] += ignored
        numbers[key][2] += not ignored and is_degenerate(annotation)
        if is_usable(annotation):
            pictures[key].add(annotation['image_id'])
            wanted = classes is None or names[key] in classes
            num_masks += wanted and bool(annotation.get('segmentation'))
    counts = [
        ClassCount(str(name), len(pictures[key]), *numbers[key])
        for key, name in names.items()
    ]
    return tuple(counts), num_masks


def class_table(
    counts: Sequence[ClassCount], chosen: Sequence[str] | None
) -> str:
    """Lay out the counts, with the chosen classes and their labels."""
    headings: tuple[str, ...] = (
        'class', 'images', 'objects', 'crowd', 'below 1 px',
    )  # fmt: skip
    rows: list[tuple] = [tuple(count) for count in counts]
    if chosen is not None:
        headings = ('label', 'config', 'file', *headings[1:])
        places = {name: place for place, name in enumerate(chosen)}
        rows = [
            (places[row[0]], row[0], *row)
            if row[0] in places
            else ('-', '(not used)', *row)
            for row in rows
        ]
        there = {count.name for count in counts}
        rows += [
            (place, name, '(missing)', 0, 0, 0, 0)
            for name, place in places.items()
            if name not in there
        ]
    return table(headings, rows) if rows else ''
