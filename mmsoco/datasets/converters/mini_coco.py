"""Take 1, 2, 5 and 10 % of COCO's training images for fine-tuning.

The images are shuffled once, by a fixed seed; each part takes the first of
them. So everybody gets the same parts, and a smaller part is in every larger
one. Images without objects count too, as in the whole set.
"""

from collections.abc import Collection, Sequence

import numpy as np


def shuffled_ids(document: dict, seed: int) -> list[int]:
    """Return the image ids in the order in which parts take them.

    Args:
        document: COCO annotations.
        seed: of the shuffle.

    Returns:
        All ids. The order depends on the ids and the seed, not on the order
        within the file.
    """
    ids = np.array(sorted(image['id'] for image in document['images']))
    return np.random.default_rng(seed).permutation(ids).tolist()


def take_part(document: dict, ids: Sequence[int], percent: float) -> dict:
    """Return the annotations of the first images of an order.

    Args:
        document: COCO annotations.
        ids: all image ids in their order.
        percent: share of the images, in (0, 100].

    Returns:
        COCO annotations of at least one image, with all categories.
    """
    chosen = set(ids[: max(1, round(len(ids) * percent / 100))])
    return take_images(document, chosen)


def take_images(document: dict, ids: Collection[int]) -> dict:
    """Return the annotations of some of the images, with all categories."""
    return dict(
        document,
        images=[i for i in document['images'] if i['id'] in ids],
        annotations=[
            a for a in document['annotations'] if a['image_id'] in ids
        ],
    )
