"""Check a COCO document object by object, and repair what can be repaired.

Boxes of a document are x, y, w, h in pixels, absolute and continuous. What is
wrong is collected, so that one look shows all of it.
"""

import codecs
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsoco.images.names import plain_form
from mmsoco.proposals.json_boxes import is_finite
from mmsoco.utils.files import decode_text, parse_json
from mmsoco.utils.problems import Outcome, Problems

from .coco_masks import check_mask, drop_empty_mask, polygon_points

STOP, LOST = Outcome.STOP, Outcome.LOST
REPAIRED, NOTE = Outcome.REPAIRED, Outcome.NOTE

# COCO's own boxes leave their pictures by rounding.
_TOLERANCE = 1.0
# pycocotools keeps ids in float64.
_LARGEST_ID = 2**53
# mmdet trains on no box that is narrower or lower, in pixels.
MIN_SIDE = 1.0
# From this number of boxes on, most of them outside is not an accident.
_ENOUGH_BOXES = 4
# Detectors read such a picture upright, and the boxes would be misplaced.
TURNED = (
    'picture is turned by its EXIF tag, but its labels are of the picture as '
    'it is stored: turn the pixels and drop the tag, or turn the labels'
)
# Where an id stands, or refers to one.
_IDS = {
    'images': ('id',),
    'categories': ('id',),
    'annotations': ('image_id', 'category_id'),
}
# mmdet's reader takes UTF-8 alone, and without a mark.
_BYTE_ORDER_MARKS = (
    codecs.BOM_UTF8,
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
    codecs.BOM_UTF32_LE,
    codecs.BOM_UTF32_BE,
)
_GZIP = b'\x1f\x8b'
_SECTIONS = {
    'images': ('id', 'file_name'),
    'annotations': ('image_id', 'category_id'),
    'categories': ('id', 'name'),
}


def read_document(
    path: str | os.PathLike,
    unlabelled: bool = False,
    problems: Problems | None = None,
) -> dict[str, Any]:
    """Read a COCO document and check its outline.

    Args:
        path: The JSON file.
        unlabelled: Whether ``annotations`` may be missing, as in the files
            of a test set whose labels are kept back.
        problems: Gets what other readers of the file would stumble over.

    Returns:
        The document, with a list of dicts for each of ``images``,
        ``annotations`` and ``categories``.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is not JSON, or a section or a key is missing; the
            message lists all that is.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'label file {str(path)!r} does not exist')
    try:
        data = path.read_bytes()
        document = parse_json(_decoded(data))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{str(path)!r} is not JSON: {error}') from error
    if unlabelled and isinstance(document, dict):
        document.setdefault('annotations', [])
    missing = _outline_problems(document)
    if missing:
        raise ValueError(
            f'{str(path)!r} is not a COCO label file: {"; ".join(missing)}. '
            'Expected {"images": [{"id", "file_name", "height", "width"}], '
            '"annotations": [{"id", "image_id", "category_id", "bbox", '
            '"area", "iscrowd"}], "categories": [{"id", "name"}]}'
        )
    if problems is not None and data.startswith(_BYTE_ORDER_MARKS):
        what = 'file begins with a byte order mark: written without'
        problems.add(REPAIRED, what, path.name)
    return document


def _decoded(data: bytes) -> str:
    """Return the text of a label file; say what else it may be."""
    if data.startswith(_GZIP):
        raise ValueError('it is compressed; unpack it with gunzip')
    text = decode_text(data)
    if not text.strip():
        raise ValueError('it is empty')
    lines = text.split('\n', 2)
    if len(lines) > 1 and all(map(_is_object, lines[:2])):
        raise ValueError(
            'it has an object in each line (JSON Lines); join them to one '
            'COCO document'
        )
    return text


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _outline_problems(document: Any) -> list[str]:
    """Say what a document lacks."""
    if not isinstance(document, dict):
        return [f'it holds a {type(document).__name__}, not an object']
    found = []
    for section, keys in _SECTIONS.items():
        entries = document.get(section)
        if not isinstance(entries, list):
            found.append(f'{section!r} is missing or not a list')
            continue
        if not all(isinstance(entry, dict) for entry in entries):
            found.append(f'{section!r} holds something other than objects')
            continue
        for key in keys:
            count = sum(entry.get(key) is None for entry in entries)
            if count:
                found.append(f'{count} of {section!r} have no {key!r}')
    return found


def repair_document(
    document: dict[str, Any],
    read_size: Callable[[str], tuple[int, int] | None],
    is_turned: Callable[[str], bool],
    problems: Problems,
) -> list[dict]:
    """Check and repair a document in place.

    Args:
        document: See `read_document`.
        read_size: Gives the (height, width) of a picture by its name, or
            None where it is not there, not readable or not looked at.
        is_turned: Returns whether EXIF turns a picture by a quarter.
        problems: Gets what is wrong.

    Returns:
        The objects whose mask was dropped, since it has no area. Their boxes
        are kept; who trains masks has to leave them out.
    """
    for section, keys in _IDS.items():
        _repair_whole_ids(document[section], keys, problems)
    _check_unique(document['categories'], 'category', 'name', problems)
    _check_unique(document['images'], 'image', 'file_name', problems)
    for image in document['images']:
        name = str(image['file_name'])
        size = read_size(name)
        reported = (image.get('width'), image.get('height'))
        if reported == size and size[0] != size[1] and is_turned(name):
            problems.add(STOP, TURNED, name)
        else:
            _repair_size(image, size, problems)
    images = {image['id']: image for image in document['images']}
    categories = {c['id']: c for c in document['categories']}
    annotations = document['annotations']
    _repair_references(annotations, 'image_id', images, problems)
    _repair_references(annotations, 'category_id', categories, problems)
    boxes_before = problems.count(STOP)
    maskless: list[dict] = []
    kept = [
        annotation
        for annotation in document['annotations']
        if _repair_annotation(
            annotation, images, categories, problems, maskless
        )
    ]
    if problems.count(STOP) == boxes_before:
        _check_layout(kept, images, problems)
    document['annotations'] = [
        annotation
        for annotation in kept
        if _clip(annotation, images[annotation['image_id']], problems)
    ]
    document['annotations'] = _each_once(document['annotations'], problems)
    _repair_ids(document['annotations'], problems)
    there = {id(annotation) for annotation in document['annotations']}
    return [thing for thing in maskless if id(thing) in there]


def _check_unique(
    entries: list[dict], kind: str, name_key: str, problems: Problems
) -> None:
    """Drop exact repetitions; report ids or names that come twice."""
    unique: list[dict] = []
    seen: dict[str, dict] = {}
    for entry in entries:
        key = repr(entry['id'])
        where = f'{kind} {entry["id"]}, {entry[name_key]!r}'
        if seen.get(key) == entry:
            problems.add(REPAIRED, f'the same {kind} twice: kept once', where)
            continue
        if not _is_id(entry['id']):
            what = f'{kind} id is not a whole number or text'
            problems.add(STOP, what, where)
            entry['id'] = key  # lets the other checks continue
        elif key in seen:
            problems.add(STOP, f'{kind} id is used more than once', where)
        name = entry[name_key]
        if not isinstance(name, str) or not name.strip():
            problems.add(STOP, f'{kind} {name_key} is not text', where)
        seen[key] = entry
        unique.append(entry)
    names = Counter(str(entry[name_key]) for entry in unique)
    plain = Counter(map(_without_blanks, names))
    if kind == 'category' and max(plain.values(), default=1) > 1:
        alike = [
            n for n in names if plain[' '.join(plain_form(n).split())] > 1
        ]
        what = (
            'categories that differ by capitals or blanks alone, or by '
            'their Unicode form (NFC, NFD): kept apart'
        )
        problems.add(NOTE, what, ' / '.join(map(repr, alike)))
    # Two categories of one name make a detector count one class more.
    outcome = STOP if kind == 'category' else NOTE
    for name, count in names.items():
        if count > 1:
            problems.add(
                outcome, f'{kind} {name_key} is there {count} times', name
            )
    entries[:] = unique


def _without_blanks(name: str) -> str:
    return ' '.join(plain_form(name).split())


def _repair_size(
    image: dict, size: tuple[int, int] | None, problems: Problems
) -> None:
    """Give an image the (height, width) of its picture."""
    name = str(image['file_name'])
    reported = (image.get('height'), image.get('width'))
    usable = all(is_finite(side) and side > 0 for side in reported)
    if size is None:
        if not usable:
            problems.add(
                STOP,
                'image has no usable height and width, and there is no '
                'picture to read them from',
                name,
            )
            # Lets the other checks continue.
            image.update(height=math.inf, width=math.inf)
        return
    if reported == size:
        return
    image['height'], image['width'] = size
    if not usable:
        what = 'no usable height and width: read from the picture'
    elif reported == size[::-1]:
        what = "height and width are swapped: the picture's taken"
    else:
        what = "size differs from the picture's: the picture's taken"
    problems.add(REPAIRED, what, name)


def _repair_annotation(
    annotation: dict,
    images: dict[Any, dict],
    categories: dict[Any, dict],
    problems: Problems,
    maskless: list[dict],
) -> bool:
    """Check one object; return whether it can be kept."""
    image = images.get(annotation['image_id'])
    number = annotation.get('id', '?')
    if image is None:
        problems.add(
            LOST, 'object of an image that is not listed', f'object {number}'
        )
        return False
    where = f'object {number} of {image["file_name"]}'
    if annotation['category_id'] not in categories:
        problems.add(STOP, 'object of a category that is not listed', where)
        return False
    if not _repair_box(annotation, where, problems):
        return False
    _repair_crowd(annotation, where, problems)
    _repair_ignore(annotation, where, problems)
    _repair_area(annotation, where, problems)
    if not check_mask(annotation, image, where, problems):
        return False
    if drop_empty_mask(annotation, image, where, problems):
        maskless.append(annotation)
    return True


def _is_id(value: Any) -> bool:
    """Return whether a value can name an image or category; True is not 1."""
    return isinstance(value, int | str) and not isinstance(value, bool)


def _repair_whole_ids(
    entries: list[dict], keys: Sequence[str], problems: Problems
) -> None:
    """Turn 1.0, as tables with gaps write an id, into 1."""
    for entry in entries:
        for key in keys:
            value = entry[key]
            if isinstance(value, float) and value.is_integer():
                entry[key] = int(value)
                what = f'{key} has a decimal point: made a whole number'
                problems.add(REPAIRED, what, str(value))


def _repair_references(
    annotations: list[dict],
    key: str,
    listed: Mapping[Any, dict],
    problems: Problems,
) -> None:
    """Take '1' for 1 where the number alone is listed, and the reverse."""
    by_text: dict[str, list] = {}
    for known in listed:
        by_text.setdefault(str(known), []).append(known)
    for annotation in annotations:
        value = annotation[key]
        if not _is_id(value):
            annotation[key] = repr(value)
            continue
        meant = by_text.get(str(value), ())
        if value not in listed and len(meant) == 1:
            annotation[key] = meant[0]
            what = f'{key} is a {_kind(value)}, listed as a {_kind(meant[0])}'
            problems.add(REPAIRED, f'{what}: taken as that', repr(value))


def _kind(value: int | str) -> str:
    return 'text' if isinstance(value, str) else 'number'


def _repair_box(annotation: dict, where: str, problems: Problems) -> bool:
    box = annotation.get('bbox')
    if box is None and (points := polygon_points(annotation)):
        xs, ys = points[::2], points[1::2]
        box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        annotation['bbox'] = box
        problems.add(REPAIRED, 'no bbox: taken from the polygons', where)
    if box is None:
        problems.add(STOP, 'object has no bbox', where)
        return False
    if not (isinstance(box, list) and len(box) == 4):
        problems.add(STOP, 'bbox is not [x, y, w, h]', where)
        return False
    if not all(map(is_finite, box)):
        problems.add(STOP, 'bbox holds something other than numbers', where)
        return False
    x, y, w, h = box
    if w < 0 or h < 0:
        annotation['bbox'] = [min(x, x + w), min(y, y + h), abs(w), abs(h)]
        annotation['area'] = abs(w * h)
        problems.add(
            REPAIRED, 'bbox has a negative side: corners swapped back', where
        )
    return True


def _is_true(value: Any) -> bool:
    return str(value).strip().lower() in ('1', 'true')


def _repair_ignore(annotation: dict, where: str, problems: Problems) -> None:
    """Make ``ignore`` a number: mmdet takes any text for true."""
    ignore = annotation.get('ignore')
    if ignore is not None and ignore not in (0, 1):
        annotation['ignore'] = int(_is_true(ignore))
        problems.add(REPAIRED, 'ignore is not 0, 1', where)


def _repair_crowd(annotation: dict, where: str, problems: Problems) -> None:
    crowd = annotation.get('iscrowd')
    if crowd in (0, 1) and crowd is not None:
        annotation['iscrowd'] = int(crowd)
        return
    annotation['iscrowd'] = int(_is_true(crowd))
    what = 'no iscrowd: taken as 0' if crowd is None else 'iscrowd is not 0, 1'
    problems.add(REPAIRED, what, where)


def _repair_area(annotation: dict, where: str, problems: Problems) -> None:
    area = annotation.get('area')
    box_area = annotation['bbox'][2] * annotation['bbox'][3]
    # An object with an area of 0 is skipped by mmdet, so that a detector
    # would learn that there is nothing.
    if is_finite(area) and (area > 0 or box_area == 0):
        return
    annotation['area'] = box_area
    what = 'no area' if area is None else 'area is not a positive number'
    problems.add(REPAIRED, f'{what}: taken from the box', where)


def _check_layout(
    annotations: list[dict], images: dict[Any, dict], problems: Problems
) -> None:
    """Recognize boxes that are written in another way than x, y, w, h."""
    if len(annotations) < _ENOUGH_BOXES:
        return
    crossing = inverted = small = 0
    for annotation in annotations:
        x, y, w, h = annotation['bbox']
        image = images[annotation['image_id']]
        crossing += (
            x + w > image['width'] + _TOLERANCE
            or y + h > image['height'] + _TOLERANCE
        )
        inverted += w < x or h < y
        small += max(x, y, w, h) <= 1
    if 2 * crossing > len(annotations) and not inverted:
        problems.add(
            STOP,
            f'{crossing} of {len(annotations)} boxes leave their pictures: '
            'are they x1, y1, x2, y2 rather than x, y, w, h?',
        )
    if 2 * small > len(annotations):
        problems.add(
            STOP,
            f'{small} of {len(annotations)} boxes lie within one pixel: are '
            'they shares of the picture rather than pixels?',
        )


def _clip(annotation: dict, image: dict, problems: Problems) -> bool:
    """Clip a box to its picture; return whether anything is left."""
    x, y, w, h = annotation['bbox']
    where = f'object {annotation.get("id", "?")} of {image["file_name"]}'
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + w, image['width']), min(y + h, image['height'])
    if x >= image['width'] or y >= image['height'] or x + w < 0 or y + h < 0:
        problems.add(LOST, 'box lies outside of its picture', where)
        return False
    outside = max(left - x, top - y, x + w - right, y + h - bottom)
    if outside > _TOLERANCE:
        annotation['bbox'] = [left, top, right - left, bottom - top]
        if not annotation.get('segmentation'):
            annotation['area'] = (right - left) * (bottom - top)
        problems.add(REPAIRED, 'box leaves its picture: clipped', where)
    if is_degenerate(annotation):
        problems.add(
            NOTE, 'box is narrower than 1 pixel: training ignores it', where
        )
    return True


def _each_once(annotations: list[dict], problems: Problems) -> list[dict]:
    """Drop objects that are there twice, but for their ids."""
    seen: set[str] = set()
    unique = []
    for annotation in annotations:
        content = {k: v for k, v in annotation.items() if k != 'id'}
        key = repr(sorted(content.items()))
        if key in seen:
            where = f'object {annotation.get("id", "?")}'
            problems.add(REPAIRED, 'the same object twice: kept once', where)
            continue
        seen.add(key)
        unique.append(annotation)
    return unique


def is_ignored(annotation: dict) -> bool:
    """Return whether an object is marked as one that training ignores."""
    return bool(annotation['iscrowd'] or annotation.get('ignore'))


def is_usable(annotation: dict) -> bool:
    """Return whether a detector learns from an object."""
    return not (is_ignored(annotation) or is_degenerate(annotation))


def is_degenerate(annotation: dict) -> bool:
    """Return whether mmdet leaves an object out for its size."""
    return min(annotation['bbox'][2:]) < MIN_SIDE


def _repair_ids(annotations: list[dict], problems: Problems) -> None:
    """Give the objects new ids unless all ids are unique.

    An id of 0 counts as no match in pycocotools' evaluation.
    """
    ids = [annotation.get('id') for annotation in annotations]
    if all(isinstance(i, int) and 0 < i < _LARGEST_ID for i in ids):
        twice = [i for i, count in Counter(ids).items() if count > 1]
        if not twice:
            return
        what, where = 'object id comes twice: renumbered', str(twice[0])
    else:
        what, where = 'object id is missing or 0, or too large: renumbered', ''
    for number, annotation in enumerate(annotations, start=1):
        annotation['id'] = number
    problems.add(REPAIRED, what, where and f'id {where}')
