"""Check a COCO document object by object, and repair what can be repaired.

Boxes of a document are x, y, w, h in pixels, absolute and continuous. All
problems are collected, so that one run shows all of them.
"""

import math
from collections.abc import Callable
from typing import Any

from mmsoco.proposals.json_boxes import is_finite
from mmsoco.utils.problems import Outcome, Problems

from .coco_ids import (
    check_class_names,
    check_file_names,
    drop_empty_twins,
    keep_unique,
    renumber,
    repair_references,
    repair_whole_ids,
)
from .coco_objects import check_layout, clip, each_once, repair_object
from .picture_size import TURNED, is_of_stored_picture, report_other_size

# Keys that hold an id.
_IDS = {
    'images': ('id',),
    'categories': ('id',),
    'annotations': ('image_id', 'category_id'),
}


def repair_document(
    document: dict[str, Any],
    read_size: Callable[[str], tuple[int, int] | None],
    is_turned: Callable[[str], bool],
    problems: Problems,
) -> list[dict]:
    """Check and repair a document in place.

    Args:
        document: See `read_document`.
        read_size: Gives the (height, width) of a picture by its name, or None
            if it is missing, unreadable or not checked.
        is_turned: Returns whether EXIF turns a picture by a quarter.
        problems: Changed.

    Returns:
        The objects whose mask was dropped, since it has no area. Their boxes
        are kept; a training of masks has to leave them out.
    """
    for section, keys in _IDS.items():
        repair_whole_ids(document[section], keys, problems)
    keep_unique(document['categories'], 'category', 'name', problems)
    keep_unique(document['images'], 'image', 'file_name', problems)
    drop_empty_twins(document, problems)
    check_class_names(document['categories'], problems)
    check_file_names(document['images'], problems)
    for image in document['images']:
        _repair_size(image, read_size, is_turned, problems)
    images = {image['id']: image for image in document['images']}
    categories = {c['id']: c for c in document['categories']}
    annotations = document['annotations']
    repair_references(annotations, 'image_id', images, problems)
    repair_references(annotations, 'category_id', categories, problems)
    boxes_before = problems.count(Outcome.STOP)
    maskless: list[dict] = []
    kept = [
        annotation
        for annotation in document['annotations']
        if repair_object(annotation, images, categories, problems, maskless)
    ]
    if problems.count(Outcome.STOP) == boxes_before:
        check_layout(kept, images, problems)
    document['annotations'] = [
        annotation
        for annotation in kept
        if clip(annotation, images[annotation['image_id']], problems)
    ]
    document['annotations'] = each_once(document['annotations'], problems)
    renumber(document['annotations'], problems)
    there = {id(annotation) for annotation in document['annotations']}
    return [thing for thing in maskless if id(thing) in there]


def _repair_size(
    image: dict,
    read_size: Callable[[str], tuple[int, int] | None],
    is_turned: Callable[[str], bool],
    problems: Problems,
) -> None:
    """Give an image the (height, width) of its picture."""
    name = str(image['file_name'])
    size = read_size(name)
    reported = (image.get('height'), image.get('width'))
    usable = all(is_finite(side) and side > 0 for side in reported)
    if size is not None:
        if is_of_stored_picture(reported, size, lambda: is_turned(name)):
            problems.add(Outcome.STOP, TURNED, name)
            return
        image['height'], image['width'] = size
        report_other_size(reported if usable else None, size, name, problems)
    elif not usable:
        what = (
            'image has no usable height and width, and there is no picture '
            'to read them from'
        )
        problems.add(Outcome.STOP, what, name)
        # Lets the other checks continue.
        image.update(height=math.inf, width=math.inf)
