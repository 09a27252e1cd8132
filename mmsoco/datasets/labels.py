"""Labels of a detector, checked before anything is built on them.

    labels = read_labels('train.json', 'images')
    print(labels.summary())
    check_labels(labels, classes=('cat', 'dog'), num_classes=2)

Files are COCO documents, or data sets in PASCAL VOC layout, which are
converted on the way. `mmsoco.datasets.detector_labels` checks all that a
detector's config reads.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mmsoco.images.files_below import OTHER_SPELLING, FilesBelow
from mmsoco.images.listed_names import clean_name
from mmsoco.images.reading import (
    NOT_A_FILE,
    UnreadableImageError,
    is_turned,
    read_size,
)
from mmsoco.utils.files import write_json
from mmsoco.utils.problems import Outcome, Problems, table

from .coco_document import (
    is_degenerate,
    is_ignored,
    is_usable,
    read_document,
    repair_document,
)

_TURNED_AVIF = (
    'AVIF picture is turned by a tag, which detectors do not read (OpenCV): '
    'save it upright'
)
# Above so many pictures only so many, evenly spread, are opened.
_MOST_OPENED = 2000


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


@dataclass(frozen=True)
class Labels:
    """Labels after repairs.

    Attributes:
        path: The file or folder that they were read from.
        images: The folder of the pictures.
        document: The COCO document, repaired.
        all_counts: What there is of each class of the file.
        chosen: The classes that were asked for, all if None.
        num_masks: Usable objects of these classes that have a mask.
        maskless: Objects of all classes whose mask was dropped, since it had
            no area.
        problems: What is wrong, and what became of it.
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
        """What there is of each class that was asked for."""
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
        """Whether the document is not that of the file any more."""
        outcomes = Outcome.REPAIRED, Outcome.LOST
        return self.problems.count(*outcomes) > 0 or _is_voc(self.path)

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
        counts, num_masks = _count(document, self.chosen)
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

        Classes that were asked for are shown next to those of the file.
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
            _class_table(self.all_counts, self.chosen),
            str(self.problems),
        ]
        return '\n'.join(line for line in lines if line)

    def write(self, path: str | os.PathLike) -> None:
        """Write the repaired COCO document."""
        write_json(path, self.document)


def read_labels(
    path: str | os.PathLike,
    images: str | os.PathLike | None = None,
    classes: Sequence[str] | None = None,
    unlabelled: bool = False,
    partial: bool = False,
) -> Labels:
    """Read labels, check every object and repair what can be repaired.

    What cannot be repaired is in ``Labels.problems`` with the outcome STOP;
    `check_labels` raises on it.

    Args:
        path: A COCO JSON file; or the folder of a VOC data set, or its list
            ``ImageSets/Main/SPLIT.txt``.
        images: Folder that the file's names are relative to; a VOC data set
            has its own.
        classes: Names in the order of a detector's labels. The classes of
            the file are brought into this order, and others are not used.
        unlabelled: Whether a COCO file may come without objects.
        partial: Whether the folder may have a part of the pictures only:
            the others are left out with their objects.

    Raises:
        FileNotFoundError: If the file or the folder is not there, or with
            ``partial`` none of the pictures is.
        ValueError: If the file has another layout.
    """
    path = Path(path)
    problems = Problems()
    if _is_voc(path):
        document, images = _read_voc(path, images, problems)
    else:
        document = read_document(path, unlabelled, problems)
    if images is None:
        raise ValueError(f'name the folder of the pictures of {str(path)!r}')
    images = Path(images)
    if images.is_file():
        raise NotADirectoryError(
            f'expected the folder of the pictures of {str(path)!r}, but '
            f'{str(images)!r} is a file; labels are checked against loose '
            'pictures: unpack a tar file (tar xf), and name the folder'
        )
    if not images.is_dir():
        raise FileNotFoundError(
            f'{str(images)!r}, the folder of the pictures of {str(path)!r}, '
            'does not exist'
        )
    missing = _find_pictures(
        document['images'],
        images,
        Outcome.LOST if partial else Outcome.STOP,
        problems,
    )
    if partial and missing:
        _leave_out(document, missing, path, images)
    sizes = _size_reader(document['images'], images, problems)
    maskless = repair_document(
        document, sizes, lambda name: is_turned(images / name), problems
    )
    if classes is not None:
        _order_categories(document, classes, problems)
    chosen = None if classes is None else tuple(classes)
    counts, num_masks = _count(document, chosen)
    return Labels(
        path,
        images,
        document,
        counts,
        chosen,
        num_masks,
        tuple(maskless),
        problems,
    )


def _is_voc(path: Path) -> bool:
    """Return whether a path is a VOC data set or list, not a COCO file."""
    return path.is_dir() or path.suffix.lower() == '.txt'


def _read_voc(
    path: Path, images: str | os.PathLike | None, problems: Problems
) -> tuple[dict[str, Any], Path]:
    """Convert a VOC data set; give the document and its pictures' folder."""
    from .converters import voc  # late: COCO files do not need it

    root, split = path, None
    if not path.is_dir():
        root, split = path.parents[2], path.stem
    document = voc.convert(root, split, problems=problems)
    return document, Path(images or root / 'JPEGImages')


def _find_pictures(
    entries: list[dict], images: Path, outcome: Outcome, problems: Problems
) -> set[str]:
    """Report pictures that are not there, and names that leave the folder.

    Args:
        entries: The pictures of a document.
        images: Their folder.
        outcome: What becomes of pictures that are not there.
        problems: Changed.

    Returns:
        The names of the pictures that are not there.
    """
    missing = set()
    below = FilesBelow(images)
    for entry in entries:
        name = entry['file_name']
        if not isinstance(name, str) or not name:
            continue  # is reported by `repair_document`
        changes = Problems()
        clean = clean_name(name, str(images), changes)
        if clean is None:
            what = f'name is not relative to the folder {str(images)!r}'
            problems.add(Outcome.STOP, what, name)
            continue
        problems.extend(changes)
        found = below.find(clean)
        if found is None:
            problems.add(outcome, _why_missing(clean, images, below), name)
            missing.add(clean)
        elif found != clean:
            problems.add(Outcome.REPAIRED, OTHER_SPELLING, name)
        entry['file_name'] = found or clean
    return missing


def _why_missing(name: str, images: Path, below: FilesBelow) -> str:
    if os.path.exists(images / name):
        return f'picture is {NOT_A_FILE}'
    what = f'picture is not in {str(images)!r}'
    if below.find(name.rpartition('/')[2]) is not None:
        what += (
            ', where its last part is: cut what is before it from the names, '
            'or give the folder that they are relative to'
        )
    return what


def _leave_out(
    document: dict[str, Any], names: set[str], path: Path, images: Path
) -> None:
    """Take pictures out of a document, with their objects.

    Raises:
        FileNotFoundError: If no picture is left.
    """
    entries = document['images']
    gone = [entry for entry in entries if str(entry['file_name']) in names]
    if len(gone) == len(entries):
        raise FileNotFoundError(
            f'none of the {len(entries)} pictures of {path} is in {images} '
            f'(the first one would be {images / entries[0]["file_name"]}): '
            'give the folder that the names in the file are relative to, or '
            'labels of pictures in this folder'
        )
    ids = {entry['id'] for entry in gone}
    document['images'] = [e for e in entries if e['id'] not in ids]
    document['annotations'] = [
        a for a in document['annotations'] if a['image_id'] not in ids
    ]


def _size_reader(
    entries: list[dict], images: Path, problems: Problems
) -> Callable[[str], tuple[int, int] | None]:
    """Make what reads the sizes of pictures: all of them, or a sample."""
    step = -(-len(entries) // _MOST_OPENED) or 1
    looked_at = {str(entry['file_name']) for entry in entries[::step]}
    looked_at |= {
        str(entry['file_name'])
        for entry in entries
        if not (entry.get('height') and entry.get('width'))
    }
    return partial(_read_size, looked_at, images, problems)


def _read_size(
    looked_at: set[str], images: Path, problems: Problems, name: str
) -> tuple[int, int] | None:
    path = images / name
    if name not in looked_at or not os.path.isfile(path):
        return None
    try:
        if path.suffix.lower() == '.avif' and is_turned(path):
            problems.add(Outcome.STOP, _TURNED_AVIF, name)
        return read_size(path)
    except UnreadableImageError as error:
        problems.add(
            Outcome.STOP, 'picture cannot be read', f'{name}: {error.reason}'
        )
        return None


def _order_categories(
    document: dict, classes: Sequence[str], problems: Problems
) -> None:
    """Sort the categories as a config does.

    mmdet numbers a file's classes in the file's order, whatever order the
    config names them in.
    """
    places = {name: place for place, name in enumerate(classes)}
    categories = document['categories']
    wanted = sorted(
        categories, key=lambda c: places.get(c['name'], len(places))
    )
    chosen = [c['name'] for c in categories if c['name'] in places]
    if chosen != [c['name'] for c in wanted if c['name'] in places]:
        document['categories'] = wanted
        problems.add(
            Outcome.REPAIRED,
            "the file's classes come in another order: sorted as the config's",
            ', '.join(chosen[:5]),
        )


def _count(
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


def _class_table(
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
