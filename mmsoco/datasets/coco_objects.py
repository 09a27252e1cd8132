"""Check and repair the objects of a COCO document.

Boxes are x, y, w, h in pixels, absolute and continuous.
"""

from typing import Any

from mmsoco.proposals.json_boxes import is_finite
from mmsoco.utils.problems import Outcome, Problems

from .coco_masks import check_mask, drop_empty_mask, polygon_points

# Pixels by which COCO's own boxes leave their pictures, from rounding.
_TOLERANCE = 1.0
# mmdet ignores boxes with a shorter side in training, pixels.
_MIN_SIDE = 1.0
# With at least so many boxes, it is no accident if most are outside.
_ENOUGH_BOXES = 4


def repair_object(
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
            Outcome.LOST,
            'object of an image that is not listed',
            f'object {number}, image {annotation["image_id"]}',
        )
        return False
    where = f'object {number} of {image["file_name"]}'
    if annotation['category_id'] not in categories:
        what = 'object of a category that is not listed'
        where += f', category {annotation["category_id"]}'
        problems.add(Outcome.STOP, what, where)
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


def _repair_box(annotation: dict, where: str, problems: Problems) -> bool:
    box = annotation.get('bbox')
    if box is None and (points := polygon_points(annotation)):
        xs, ys = points[::2], points[1::2]
        box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        annotation['bbox'] = box
        problems.add(
            Outcome.REPAIRED, 'no bbox: taken from the polygons', where
        )
    if box is None:
        problems.add(Outcome.STOP, 'object has no bbox', where)
        return False
    if not (isinstance(box, list) and len(box) == 4):
        problems.add(Outcome.STOP, 'bbox is not [x, y, w, h]', where)
        return False
    if not all(map(is_finite, box)):
        problems.add(
            Outcome.STOP, 'bbox holds something other than numbers', where
        )
        return False
    x, y, w, h = box
    if w < 0 or h < 0:
        annotation['bbox'] = [min(x, x + w), min(y, y + h), abs(w), abs(h)]
        annotation['area'] = abs(w * h)
        problems.add(
            Outcome.REPAIRED,
            'bbox has a negative side: corners swapped back',
            where,
        )
    return True


def _is_true(value: Any) -> bool:
    return str(value).strip().lower() in ('1', 'true')


def _repair_ignore(annotation: dict, where: str, problems: Problems) -> None:
    """Make ``ignore`` a number: mmdet takes any text as true."""
    ignore = annotation.get('ignore')
    if ignore is not None and ignore not in (0, 1):
        annotation['ignore'] = int(_is_true(ignore))
        problems.add(Outcome.REPAIRED, 'ignore is not 0 or 1', where)


def _repair_crowd(annotation: dict, where: str, problems: Problems) -> None:
    crowd = annotation.get('iscrowd')
    if crowd in (0, 1):
        annotation['iscrowd'] = int(crowd)
        return
    annotation['iscrowd'] = int(_is_true(crowd))
    what = (
        'no iscrowd: taken as 0' if crowd is None else 'iscrowd is not 0 or 1'
    )
    problems.add(Outcome.REPAIRED, what, where)


def _repair_area(annotation: dict, where: str, problems: Problems) -> None:
    area = annotation.get('area')
    box_area = annotation['bbox'][2] * annotation['bbox'][3]
    # mmdet skips an object with an area of 0, so that a detector would learn
    # that there is none.
    if is_finite(area) and (area > 0 or box_area == 0):
        return
    annotation['area'] = box_area
    what = 'no area' if area is None else 'area is not a positive number'
    problems.add(Outcome.REPAIRED, f'{what}: taken from the box', where)


def check_layout(
    annotations: list[dict], images: dict[Any, dict], problems: Problems
) -> None:
    """Report boxes that seem to be written in another form than x, y, w, h."""
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
            Outcome.STOP,
            f'{crossing} of {len(annotations)} boxes leave their pictures: '
            'are they x1, y1, x2, y2 rather than x, y, w, h?',
        )
    if 2 * small > len(annotations):
        problems.add(
            Outcome.STOP,
            f'{small} of {len(annotations)} boxes lie within one pixel: are '
            'they shares of the picture rather than pixels?',
        )


def clip(annotation: dict, image: dict, problems: Problems) -> bool:
    """Clip a box to its picture; return whether anything is left."""
    x, y, w, h = annotation['bbox']
    where = f'object {annotation.get("id", "?")} of {image["file_name"]}'
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + w, image['width']), min(y + h, image['height'])
    if x >= image['width'] or y >= image['height'] or x + w < 0 or y + h < 0:
        problems.add(Outcome.LOST, 'box lies outside of its picture', where)
        return False
    outside = max(left - x, top - y, x + w - right, y + h - bottom)
    if outside > _TOLERANCE:
        annotation['bbox'] = [left, top, right - left, bottom - top]
        if not annotation.get('segmentation'):
            annotation['area'] = (right - left) * (bottom - top)
        problems.add(
            Outcome.REPAIRED, 'box leaves its picture: clipped', where
        )
    if is_degenerate(annotation):
        problems.add(
            Outcome.NOTE,
            'box is narrower than 1 pixel: training ignores it',
            where,
        )
    return True


def each_once(annotations: list[dict], problems: Problems) -> list[dict]:
    """Drop objects that differ from an earlier one only by their id."""
    seen: set[str] = set()
    unique = []
    for annotation in annotations:
        content = {k: v for k, v in annotation.items() if k != 'id'}
        key = repr(sorted(content.items()))
        if key in seen:
            where = f'object {annotation.get("id", "?")}'
            problems.add(
                Outcome.REPAIRED, 'the same object twice: kept once', where
            )
            continue
        seen.add(key)
        unique.append(annotation)
    return unique


def is_ignored(annotation: dict) -> bool:
    """Return whether an object is marked as one that training ignores."""
    return bool(annotation.get('iscrowd') or annotation.get('ignore'))


def is_usable(annotation: dict) -> bool:
    """Return whether a detector learns from an object."""
    return not (is_ignored(annotation) or is_degenerate(annotation))


def is_degenerate(annotation: dict) -> bool:
    """Return whether mmdet ignores an object because of its size."""
    return min(annotation['bbox'][2:]) < _MIN_SIDE
