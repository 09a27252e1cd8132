"""Compute simple features of boxes, without a network."""

from collections.abc import Sequence

import numpy as np

from mmsoco.images.reading import read_rgb

from .labelled_pictures import LabelledPicture


def control_features(
    pictures: Sequence[LabelledPicture],
) -> dict[str, np.ndarray]:
    """Return simple features of all boxes by name.

    Args:
        pictures: The pictures; they are read once more.

    Returns:
        ``size``: (R, 2) logarithms of width and height; ``color``: (R, 6)
        mean and standard deviation of red, green and blue in 0..1;
        ``size+color``: both.
    """
    boxes = np.concatenate([picture.boxes for picture in pictures])
    sizes = np.log(boxes[:, 2:] - boxes[:, :2])
    colors = np.concatenate([_colors(picture) for picture in pictures])
    return dict(
        size=sizes,
        color=colors,
        **{'size+color': np.concatenate([sizes, colors], axis=1)},
    )


def _colors(picture: LabelledPicture) -> np.ndarray:
    image = read_rgb(picture.path)
    rows = []
    for box in picture.boxes:
        last = np.array(image.shape[1::-1]) - 1
        x1, y1 = np.floor(box[:2]).astype(int).clip(0, last)
        x2, y2 = np.maximum(np.ceil(box[2:]).astype(int), (x1 + 1, y1 + 1))
        pixels = image[y1:y2, x1:x2].reshape(-1, 3) / 255
        rows.append(np.concatenate([pixels.mean(0), pixels.std(0)]))
    return np.array(rows, np.float32)
