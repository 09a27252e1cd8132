"""Labels of a detector, read and checked.

    labels = read_labels('train.json', 'images')
    print(labels.summary())
    check_labels(labels, classes=('cat', 'dog'), num_classes=2)

`mmsoco.datasets.label_reading` reads them, `mmsoco.datasets.label_checks`
decides whether a detector can learn from them, and
`mmsoco.datasets.detector_labels` checks all that a detector's config reads.
"""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmsoco.utils.files import write_json
from mmsoco.utils.problems import Outcome, Problems

from .class_counts import ClassCount, class_table, count_objects
from .coco_objects import is_usable


@dataclass(frozen=True)
class Labels:
    """Labels of a detector after repairs.

    Attributes:
        path: The file or folder that they were read from.
        images: The folder of the pictures.
        document: The COCO document, repaired.
        all_counts: Counts of each class in the file.
        chosen: The classes to use, all if None.
        num_masks: Number of usable objects of these classes with a mask.
        maskless: Objects of all classes whose mask was dropped, since it had
            no area.
        problems: What was wrong, and what happened to it.
    """

    path: Path
    images: Path
    document: dict[str, Any] = field(repr=False)
    all_counts: tuple[ClassCount, ...] = field(repr=False)
    chosen: tuple[str, ...] | None
    num_masks: int
    maskless: tuple[dict, ...] = field(repr=False)
    problems: Problems = field(repr=False)

    @property
    def counts(self) -> tuple[ClassCount, ...]:
        """Counts of each class to use."""
        if self.chosen is None:
            return self.all_counts
        return tuple(c for c in self.all_counts if c.name in self.chosen)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes in the order of their labels."""
        return tuple(count.name for count in self.counts)

    @property
    def has_masks(self) -> bool:
        """Whether every usable object came with a mask."""
        dropped = sum(
            is_usable(thing) and self._is_chosen(thing)
            for thing in self.maskless
        )
        return self.num_masks > 0 and (
            self.num_usable == self.num_masks + dropped
        )

    def _is_chosen(self, annotation: dict) -> bool:
        names = {c['id']: c['name'] for c in self.document['categories']}
        name = names[annotation['category_id']]
        return self.chosen is None or name in self.chosen

    @property
    def num_usable(self) -> int:
        """Objects that a detector learns from."""
        return sum(count.usable for count in self.counts)

    @property
    def is_changed(self) -> bool:
        """Whether the document differs from the file."""
        outcomes = Outcome.REPAIRED, Outcome.LOST
        return self.problems.count(*outcomes) > 0 or is_voc(self.path)

    def of_masks(self) -> 'Labels':
        """Leave out the objects whose mask was dropped."""
        if not self.maskless:
            return self
        left_out = {id(annotation) for annotation in self.maskless}
        document = dict(
            self.document,
            annotations=[
                annotation
                for annotation in self.document['annotations']
                if id(annotation) not in left_out
            ],
        )
        problems = Problems()
        problems.extend(self.problems)
        for annotation in self.maskless:
            what = 'object without a mask: left out, since masks are trained'
            problems.add(Outcome.LOST, what, f'object {annotation["id"]}')
        counts, num_masks = count_objects(document, self.chosen)
        return replace(
            self,
            document=document,
            all_counts=counts,
            num_masks=num_masks,
            maskless=(),
            problems=problems,
        )

    def summary(self) -> str:
        """Describe the labels: classes with their counts, and problems.

        Chosen classes are shown next to those of the file.
        """
        images = self.document['images']
        with_objects = {a['image_id'] for a in self.document['annotations']}
        masks = 'masks' if self.has_masks else 'no masks'
        if not self.has_masks and self.num_masks:
            masks = f'masks of {self.num_masks} objects only'
        lines = [
            f'{self.path}: {len(images)} images '
            f'({len(images) - len(with_objects)} without objects), '
            f'{len(self.document["annotations"])} objects, '
            f'{len(self.counts)} classes, {masks}',
            class_table(self.all_counts, self.chosen),
            str(self.problems),
        ]
        return '\n'.join(line for line in lines if line)

    def write(self, path: str | os.PathLike) -> None:
        """Write the repaired COCO document."""
        write_json(path, self.document)


def is_voc(path: Path) -> bool:
    """Return whether a path is a VOC data set or list, not a COCO file."""
    return path.is_dir() or path.suffix.lower() == '.txt'
