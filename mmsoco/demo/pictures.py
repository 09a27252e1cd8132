"""Draw the pictures of the demo's report."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from mmsoco.images.reading import read_rgb
from mmsoco.proposals.store import ProposalStore
from mmsoco.visualization.instances import DrawnInstance, draw_instances
from mmsoco.visualization.proposals import draw_proposals
from mmsoco.visualization.sheets import grid

# Scenes in the pictures, spread over the photographs.
SHOWN_SCENES = (0, 2, 7, 9, 10, 12, 5, 11)
SHOWN_LABELS = (0, 2, 6, 9)
SHOWN_PROPOSALS = (0, 2, 9, 11)
SHOWN_VIEWS = (2, 9)
SHOWN_DETECTIONS = (0, 1, 2, 3, 6)
LEAST_SCORE = 0.3
# Detections whose masks overlap more count as one object.
SAME_PLACE = 0.5
ZOOM = 2


def scenes_picture(data: Path, document: dict) -> np.ndarray:
    """Draw scenes without labels, two rows."""
    pictures = [
        read_rgb(data / 'train' / document['images'][i]['file_name'])
        for i in SHOWN_SCENES
    ]
    half = len(pictures) // 2
    return grid([pictures[:half], pictures[half:]])


def labels_picture(data: Path, document: dict) -> np.ndarray:
    """Labeled scenes, one row."""
    names = class_names(document)
    by_image = objects_of(document['annotations'])
    row = []
    for index in SHOWN_LABELS:
        image = document['images'][index]
        drawn = [drawn_instance(o, names) for o in by_image[image['id']]]
        picture = read_rgb(data / 'train' / image['file_name'])
        row.append(draw_instances(picture, drawn))
    return grid([row])


def proposals_picture(data: Path, store: ProposalStore) -> np.ndarray:
    """Draw scenes with all their proposals, one row."""
    row = []
    for index in SHOWN_PROPOSALS:
        record = store[index]
        picture = read_rgb(data / 'train' / record.file_name)
        # larger first, so that the frames are thin
        size = (picture.shape[1] * ZOOM, picture.shape[0] * ZOOM)
        larger = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
        row.append(draw_proposals(larger, record.bboxes * ZOOM))
    return grid([row])


def views_picture(config: Path, data: Path) -> np.ndarray:
    """Draw views of two scenes, as the pretraining's own pipeline makes them.

    Args:
        config: Config of the pretraining.
        data: Folder of the scenes and their proposals.
    """
    from mmsoco.config.reading import read_config
    from mmsoco.visualization.browse_views import draw_views

    options = {
        'train_dataloader.dataset.image_root': str(data / 'train'),
        'train_dataloader.dataset.proposals': str(data / 'proposals.arrow'),
    }
    drawn = draw_views(
        read_config(config, options), len(SHOWN_VIEWS), SHOWN_VIEWS
    )
    return np.concatenate([picture for _, picture in drawn], axis=1)


def detections_picture(
    data: Path, document: dict, detections: list[Path]
) -> np.ndarray:
    """Draw a row per scene: the labels, then the detections of each detector.

    Args:
        data: Folder of the scenes.
        document: COCO annotations of the validation scenes.
        detections: Masks that CocoMetric wrote, a file per detector.
    """
    names = class_names(document)
    columns = [objects_of(document['annotations'])]
    for path in detections:
        found = json.loads(path.read_text())
        columns.append(
            {
                image: best_per_place(things)
                for image, things in objects_of(found).items()
            }
        )
    rows = []
    for index in SHOWN_DETECTIONS:
        image = document['images'][index]
        picture = read_rgb(data / 'val' / image['file_name'])
        rows.append(
            [
                draw_instances(
                    picture,
                    [
                        drawn_instance(thing, names)
                        for thing in column.get(image['id'], [])
                    ],
                )
                for column in columns
            ]
        )
    return grid(rows)


def class_names(document: dict) -> dict[int, str]:
    """Return the names of the classes by their COCO id."""
    return {c['id']: c['name'] for c in document['categories']}


def objects_of(objects: Iterable[dict]) -> dict[int, list[dict]]:
    """Sort COCO annotations or detections by image, best scores last."""
    by_image = defaultdict(list)
    for thing in sorted(objects, key=lambda o: o.get('score', 1)):
        by_image[thing['image_id']].append(thing)
    return by_image


def best_per_place(detections: list[dict]) -> list[dict]:
    """Leave out weak detections, and those that better ones overlap.

    Args:
        detections: COCO detections with masks, of one image.

    Returns:
        The kept ones, the best last.
    """
    from pycocotools import mask as mask_api

    kept: list[dict] = []
    for thing in sorted(detections, key=lambda o: -o['score']):
        masks = [other['segmentation'] for other in kept]
        mine = [thing['segmentation']]
        overlaps = np.array(mask_api.iou(mine, masks, [0] * len(masks)))
        if thing['score'] >= LEAST_SCORE and not np.any(overlaps > SAME_PLACE):
            kept.append(thing)
    return kept[::-1]


def drawn_instance(thing: dict, names: dict[int, str]) -> DrawnInstance:
    """Convert a COCO annotation or detection to a drawable instance."""
    from pycocotools import mask as mask_api

    mask = mask_api.decode(thing['segmentation']).astype(bool)
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    text = names[thing['category_id']]
    if 'score' in thing:
        text += f' {thing["score"]:.2f}'
    label = sorted(names).index(thing['category_id'])
    return DrawnInstance(label, (x, y, x + w, y + h), mask, text)
