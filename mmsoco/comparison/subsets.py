"""Draw the labeled pictures of a budget, the same for all starts."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from mmsoco.datasets.converters.mini_coco import take_images

_MAX_DRAWS = 1000


class Subset(NamedTuple):
    """Labels of a part of the pictures.

    Attributes:
        document: COCO annotations with all categories.
        draws: Number of draws until every class was in it.
    """

    document: dict
    draws: int


def labelled_ids(document: dict) -> list[int]:
    """Return the ids of the pictures with at least one object, sorted."""
    return sorted(
        {
            a['image_id']
            for a in document['annotations']
            if not a.get('iscrowd')
        }
    )


def class_counts(document: dict) -> dict[str, int]:
    """Return the number of objects of each class, including 0."""
    counts = Counter(
        a['category_id']
        for a in document['annotations']
        if not a.get('iscrowd')
    )
    return {c['name']: counts[c['id']] for c in document['categories']}


def draw_subset(document: dict, labels: int, seed: int) -> Subset:
    """Draw labeled pictures at random, with every class among them.

    The pictures are put into an order that depends on the seed, and the
    first ones are taken, so that a smaller budget is in a larger one of the
    same seed. If a class that the whole set has is missing, the pictures are
    put into another order.

    Args:
        document: COCO annotations.
        labels: Number of pictures, each with at least one object.
        seed: Seed of the order.

    Returns:
        The subset.

    Raises:
        ValueError: If there are fewer labeled pictures, or no draw had every
            class.
    """
    ids = labelled_ids(document)
    if labels > len(ids):
        raise ValueError(
            f'a budget of {labels} labeled pictures is larger than the '
            f'labels: {len(ids)} of {len(document["images"])} pictures have '
            'objects'
        )
    present = {name for name, n in class_counts(document).items() if n}
    for draw in range(_MAX_DRAWS):
        order = np.random.default_rng((seed, draw)).permutation(ids)
        subset = take_images(document, set(order[:labels].tolist()))
        if present == {n for n, c in class_counts(subset).items() if c}:
            return Subset(subset, draw + 1)
    counts = class_counts(document)
    rarest = min(present, key=counts.__getitem__)
    raise ValueError(
        f'{_MAX_DRAWS} draws of {labels} of {len(ids)} labeled pictures had '
        f'no objects of some class (rarest: {rarest!r} with {counts[rarest]} '
        'objects); raise the budget or leave the class out'
    )
