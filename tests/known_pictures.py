"""Pictures whose classes are known to show, or not to show."""

import json

import cv2
import numpy as np


def make_pictures(folder, draw, count=36):
    """Pictures with two boxes each; ``draw`` gives box and color by class."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(count):
        image = rng.integers(90, 110, (64, 64, 3), np.uint8)
        for half in (0, 32):
            label = int(rng.integers(2))
            side, color = draw(label, rng)
            x, y = int(rng.integers(34 - side)), half
            image[y : y + side, x : x + side] = color
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i,
                    category_id=label,
                    bbox=[x, y, side, side],
                )
            )
        cv2.imwrite(str(folder / f'{i:02}.png'), image[..., ::-1])
        images.append(dict(id=i, file_name=f'{i:02}.png'))
    path = folder / 'labels.json'
    classes = [dict(id=0, name='one'), dict(id=1, name='two')]
    path.write_text(
        json.dumps(
            dict(images=images, annotations=annotations, categories=classes)
        )
    )
    return path


def by_color(label, rng):
    return int(rng.integers(12, 30)), [(200, 30, 30), (30, 30, 200)][label]


def by_nothing(label, rng):
    return int(rng.integers(12, 30)), (200, 30, 30)


def by_size(label, rng):
    return [14, 28][label], rng.integers(0, 255, 3)
