"""Makes labels in COCO's format, and changes them."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


def document(
    pictures: Mapping[str, Sequence[tuple[int, Sequence[int]]]],
    size: tuple[int, int],
    classes: Sequence[str] = ('thing',),
    **details: object,
) -> dict:
    """Return the labels of pictures of one size (h, w).

    Args:
        pictures: by file name, the objects: number of the class, from 1, and
            box x, y, w, h.
        size: of each picture.
        classes: their names.
        details: further or other values of each object.
    """
    height, width = size
    images = [
        dict(id=i, file_name=name, height=height, width=width)
        for i, name in enumerate(pictures)
    ]
    objects = [
        dict(image_id=i, category_id=number, bbox=list(box))
        for i, of_picture in enumerate(pictures.values())
        for number, box in of_picture
    ]
    annotations = [
        dict(each, id=i, area=each['bbox'][2] * each['bbox'][3], iscrowd=0)
        | details
        for i, each in enumerate(objects, 1)
    ]
    categories = [dict(id=i, name=name) for i, name in enumerate(classes, 1)]
    return dict(images=images, annotations=annotations, categories=categories)


@contextlib.contextmanager
def edited(path: Path) -> Iterator[dict]:
    """Let the labels in a file be changed."""
    content = json.loads(path.read_text())
    yield content
    path.write_text(json.dumps(content))
