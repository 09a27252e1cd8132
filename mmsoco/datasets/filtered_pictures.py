"""Find the pictures that mmdet drops from a training without a word."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmsoco.utils.problems import Outcome, Problems

from .labels import Labels


def filtered_pictures(
    labels: Labels, filter_cfg: Mapping[str, Any] | None
) -> Iterator[tuple[str, str]]:
    """Yield the file name of each dropped picture, and why it is dropped.

    Args:
        labels: The labels of a `CocoDataset`.
        filter_cfg: The dataset's filter; None keeps all pictures.
    """
    filter_cfg = filter_cfg or {}
    least = filter_cfg.get('min_size', 0)
    categories = {
        category['id']
        for category in labels.document['categories']
        if labels.chosen is None or category['name'] in labels.chosen
    }
    # mmdet counts the objects that training ignores, too.
    with_objects = {
        annotation['image_id']
        for annotation in labels.document['annotations']
        if annotation['category_id'] in categories
    }
    for image in labels.document['images']:
        if filter_cfg.get('filter_empty_gt') and (
            image['id'] not in with_objects
        ):
            yield image['file_name'], 'no object (filter_empty_gt)'
        elif min(image['width'], image['height']) < least:
            yield image['file_name'], f'a side below min_size={least}'


def note_filtered(labels: Labels, filter_cfg: Mapping[str, Any] | None) -> int:
    """Note the dropped pictures in the problems of labels.

    Args:
        labels: See `filtered_pictures`; ``problems`` is changed.
        filter_cfg: See `filtered_pictures`.

    Returns:
        How many there are.
    """
    found = Problems()
    for name, why in filtered_pictures(labels, filter_cfg):
        found.add(Outcome.NOTE, f'picture not trained on: {why}', name)
    labels.problems.extend(found)
    return found.count()
