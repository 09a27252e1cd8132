"""Draws the pictures of the demo's report."""

import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from mmsoco.visualization.proposals import draw_proposals

from mmsoco.proposals.images import read_rgb
from mmsoco.proposals.store import ProposalStore
from mmsoco.visualization.instances import DrawnInstance, draw_instances
from mmsoco.visualization.report import grid

# Scenes of the pictures: spread over the photographs.
SHOWN_SCENES = (0, 2, 7, 9, 10, 12, 5, 11)
SHOWN_LABELS = (0, 2, 6, 9)
SHOWN_PROPOSALS = (0, 2, 9, 11)
SHOWN_VIEWS = (2, 9)
SHOWN_DETECTIONS = (0, 1, 2, 3, 6)
LEAST_SCORE = 0.3


def scenes_picture(data: Path, document: dict) -> np.ndarray:
    """Scenes as they are, two rows."""
    pictures = [
        read_rgb(data / 'train' / document['images'][i]['file_name'])
        for i in SHOWN_SCENES
    ]
    half = len(pictures) // 2
    return grid([pictures[:half], pictures[half:]])


def labels_picture(data: Path, document: dict) -> np.ndarray:
    """Labelled scenes, one row."""
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
    """Scenes with all their proposals, one row."""
    row = []
    for index in SHOWN_PROPOSALS:
        record = store[index]
        picture = read_rgb(data / 'train' / record.file_name)
        row.append(draw_proposals(picture, record.bboxes))
    return grid([row])


def views_picture(config: Path) -> np.ndarray:
    """Views of two scenes, as the pretraining's own pipeline makes them."""
    from mmengine.config import Config

    from mmsoco.registry import DATASETS
    from mmsoco.visualization.views import draw_sample

    cfg = Config.fromfile(config)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    pairs = dataset.pipeline.transforms[0].pairs
    return np.concatenate(
        [draw_sample(dataset[index], pairs) for index in SHOWN_VIEWS], axis=1
    )


def detections_picture(
    data: Path, document: dict, detections: list[Path]
) -> np.ndarray:
    """A row per scene: what is there, then each detector's answer.

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
            objects_of(o for o in found if o['score'] >= LEAST_SCORE)
        )
    rows = []
    for index in SHOWN_DETECTIONS:
        image = document['images'][index]
        picture = read_rgb(data / 'val' / image['file_name'])
        rows.append(
            [
                draw_instances(
                    picture,
                    [drawn_instance(o, names) for o in column[image['id']]],
                )
                for column in columns
            ]
        )
    return grid(rows)


def class_names(document: dict) -> dict[int, str]:
    """Names of the classes by their COCO id."""
    return {c['id']: c['name'] for c in document['categories']}


def objects_of(objects) -> dict[int, list[dict]]:  # noqa: ANN001
    """Sorts COCO annotations or detections by image, best scores last."""
    by_image = defaultdict(list)
    for thing in sorted(objects, key=lambda o: o.get('score', 1)):
        by_image[thing['image_id']].append(thing)
    return by_image


def drawn_instance(thing: dict, names: dict[int, str]) -> DrawnInstance:
    """Turns a COCO annotation or detection into what can be drawn."""
    from pycocotools import mask as mask_api

    mask = mask_api.decode(thing['segmentation']).astype(bool)
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    text = names[thing['category_id']]
    if 'score' in thing:
        text += f' {thing["score"]:.2f}'
    label = sorted(names).index(thing['category_id'])
    return DrawnInstance(label, (x, y, x + w, y + h), mask, text)
