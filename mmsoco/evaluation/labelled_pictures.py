"""Read pictures with labeled boxes from a COCO JSON, and split them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmsoco.datasets.coco_document import read_document


class LabelledPicture(NamedTuple):
    """One picture and its objects.

    Attributes:
        path: The picture's file.
        boxes: (n, 4) float32 x1, y1, x2, y2 in the picture's pixels.
        labels: (n,) int64 places in the list of classes.
    """

    path: Path
    boxes: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class LabelledSplit:
    """The pictures of a probe.

    Attributes:
        classes: Names of the classes.
        train: Pictures that the classifiers are trained on.
        val: Pictures that they are judged on.
    """

    classes: Sequence[str]
    train: Sequence[LabelledPicture]
    val: Sequence[LabelledPicture]

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels of all training and validation boxes."""
        train, val = (
            np.concatenate([picture.labels for picture in pictures])
            for pictures in (self.train, self.val)
        )
        return train, val


def read_coco(
    images: str | Path, annotations: str | Path
) -> tuple[list[str], list[LabelledPicture]]:
    """Read the labeled pictures of a COCO-style JSON.

    Crowds, boxes without area and pictures without boxes are left out.

    Args:
        images: Folder of the pictures.
        annotations: The JSON file.

    Returns:
        The names of the classes in the order of their ids, and the pictures
        in the order of their file names.

    Raises:
        FileNotFoundError: If the JSON is not there.
        ValueError: If it lacks a part, or there are no boxes.
    """
    content = read_document(annotations)
    categories = sorted(content['categories'], key=lambda c: c['id'])
    places = {c['id']: place for place, c in enumerate(categories)}
    objects = _objects_by_image(content['annotations'], places)
    pictures = [
        LabelledPicture(
            Path(images, image['file_name']), *objects[image['id']]
        )
        for image in sorted(content['images'], key=lambda i: i['file_name'])
        if image['id'] in objects
    ]
    if not pictures:
        raise ValueError(f'{annotations} has no picture with a usable box')
    return [c['name'] for c in categories], pictures


def _objects_by_image(
    annotations: Sequence[dict], places: dict[int, int]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return (n, 4) boxes and (n,) labels by the id of the image."""
    rows: dict[int, list[tuple]] = {}
    for annotation in annotations:
        x, y, w, h = annotation['bbox']
        if annotation.get('iscrowd') or w <= 0 or h <= 0:
            continue
        box = (x, y, x + w, y + h)
        label = places[annotation['category_id']]
        rows.setdefault(annotation['image_id'], []).append((box, label))
    return {
        image: (
            np.array([box for box, _ in own], np.float32),
            np.array([label for _, label in own], np.int64),
        )
        for image, own in rows.items()
    }


def split(
    pictures: Sequence[LabelledPicture],
    num_train: int,
    num_val: int,
    seed: int = 0,
) -> tuple[list[LabelledPicture], list[LabelledPicture]]:
    """Draw disjoint training and validation pictures.

    Args:
        pictures: The pictures to draw from.
        num_train: Training pictures.
        num_val: Validation pictures. If there are fewer pictures than both
            together, both are reduced in proportion.
        seed: Seed of the draw.

    Returns:
        Training and validation pictures, each in the order of ``pictures``.

    Raises:
        ValueError: If there is not one picture for each of the two.
    """
    wanted = num_train + num_val
    if min(num_train, num_val) < 1 or len(pictures) < 2:
        raise ValueError(
            'a probe needs a training and a validation picture at least, got '
            f'{len(pictures)} pictures to draw {num_train} and {num_val} from'
        )
    if wanted > len(pictures):
        share = round(num_val * len(pictures) / wanted)
        num_val = min(max(1, share), len(pictures) - 1)
        num_train = len(pictures) - num_val
    order = np.random.default_rng(seed).permutation(len(pictures))
    train = np.sort(order[:num_train])
    val = np.sort(order[num_train : num_train + num_val])
    return [pictures[i] for i in train], [pictures[i] for i in val]
