"""Check the masks of a COCO document, and drop those without an area.

Polygons are x, y, x, y, ... in pixels; run lengths are COCO's.
"""

from typing import Any

from mmsoco.proposals.json_boxes import is_finite
from mmsoco.utils.problems import Outcome, Problems

# Square pixels below which the corners of a polygon lie on a line.
_NO_AREA = 1e-6


def polygon_points(annotation: dict) -> list[float]:
    """Return the coordinates of all polygons in a row, if all are finite."""
    polygons = annotation.get('segmentation')
    if not isinstance(polygons, list):
        return []
    if not all(isinstance(polygon, list) for polygon in polygons):
        return []
    points = [value for polygon in polygons for value in polygon]
    return points if all(map(is_finite, points)) else []


def check_mask(
    annotation: dict, image: dict, where: str, problems: Problems
) -> bool:
    """Return whether a mask can be read; report it if it cannot.

    Args:
        annotation: The object.
        image: Its picture, with ``height`` and ``width`` in pixels.
        where: The name of the object in a report.
        problems: Changed.
    """
    mask = annotation.get('segmentation')
    if not mask:
        return True
    if isinstance(mask, dict):
        size = [image['height'], image['width']]
        if mask.get('size') != size or 'counts' not in mask:
            what = "mask is of another size than its picture's"
        elif (runs := read_runs(mask['counts'])) is None:
            what = 'counts of a mask are not run lengths'
        elif sum(runs) != size[0] * size[1]:
            # pycocotools writes as many pixels as the counts say, unchecked.
            what = "counts of a mask do not add up to its picture's pixels"
        else:
            return True
        problems.add(Outcome.STOP, what, where)
        return False
    _join_points(annotation, where, problems)
    mask = annotation['segmentation']
    points = polygon_points(annotation)
    if not points or any(len(p) % 2 for p in mask):
        what = 'segmentation is not polygons of numbers'
        problems.add(Outcome.STOP, what, where)
        return False
    return True


def _join_points(annotation: dict, where: str, problems: Problems) -> None:
    """Make one polygon of a list of numbers, or of points."""
    mask = annotation['segmentation']
    if not isinstance(mask, list):
        return
    if all(map(is_finite, mask)):
        what = 'mask is numbers, not a list of polygons: taken as one polygon'
    elif len(mask) > 2 and all(
        isinstance(p, list) and len(p) == 2 and all(map(is_finite, p))
        for p in mask
    ):
        what = 'mask is points, not polygons: joined to one polygon'
        mask = [value for point in mask for value in point]
    else:
        return
    annotation['segmentation'] = [mask]
    problems.add(Outcome.REPAIRED, what, where)


def read_runs(counts: Any) -> list[int] | None:
    """Return the lengths of a mask's runs, which alternate between 0 and 1.

    Args:
        counts: The lengths, or COCO's text: each length (from the fourth on,
            minus the one two before it) in groups of 5 bits, the lowest first;
            a sixth bit says that more follow, and 48 is added.

    Returns:
        None if it is neither.
    """
    if isinstance(counts, list):
        whole = all(isinstance(n, int) and n >= 0 for n in counts)
        return counts if whole else None
    if not isinstance(counts, str):
        return None
    runs: list[int] = []
    value = shift = 0
    for letter in counts:
        code = ord(letter) - 48
        if not 0 <= code < 64:
            return None
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs if not shift and all(n >= 0 for n in runs) else None


def drop_empty_mask(
    annotation: dict, image: dict, where: str, problems: Problems
) -> bool:
    """Drop polygons without area in the picture; return whether none is left.

    A mask head would learn from them that there is no object.
    """
    mask = annotation.get('segmentation')
    if not mask:
        return False
    if isinstance(mask, dict):
        if any((read_runs(mask['counts']) or [])[1::2]):
            return False
        kept = []
    else:
        kept = [
            polygon
            for polygon in mask
            if _area(polygon) > _NO_AREA and _is_inside(polygon, image)
        ]
        if len(kept) == len(mask):
            return False
    annotation['segmentation'] = kept
    if kept:
        what = 'polygon without an area: dropped, the others of its mask kept'
        problems.add(Outcome.REPAIRED, what, where)
        return False
    what = 'mask without an area: dropped, the box kept'
    problems.add(Outcome.REPAIRED, what, where)
    return True


def _is_inside(polygon: list[float], image: dict) -> bool:
    """Return whether the box around a polygon overlaps the picture."""
    xs, ys = polygon[::2], polygon[1::2]
    return (
        max(xs) > 0
        and max(ys) > 0
        and min(xs) < image['width']
        and min(ys) < image['height']
    )


def _area(polygon: list[float]) -> float:
    """Return a polygon's area, 0 with fewer than three corners."""
    xs, ys = polygon[::2], polygon[1::2]
    twice = sum(
        xs[i - 1] * y - x * ys[i - 1]
        for i, (x, y) in enumerate(zip(xs, ys, strict=True))
    )
    return abs(twice) / 2
