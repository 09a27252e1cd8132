"""Makes labels in COCO's format."""

from collections.abc import Mapping, Sequence


def document(
    pictures: Mapping[str, Sequence[tuple[int, Sequence[int]]]],
    size: tuple[int, int],
    classes: Sequence[str] = ('thing',),
) -> dict:
    """Return the labels of pictures of one size (h, w).

    Args:
        pictures: by file name, the objects: number of the class, from 1, and
            box x, y, w, h.
        size: of each picture.
        classes: their names.
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
        for i, each in enumerate(objects, 1)
    ]
    categories = [dict(id=i, name=name) for i, name in enumerate(classes, 1)]
    return dict(images=images, annotations=annotations, categories=categories)
