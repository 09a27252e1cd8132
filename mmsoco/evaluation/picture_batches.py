"""Make batches of labeled pictures as a detector gets them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmsoco.images.reading import read_rgb
from mmsoco.structures import InputConvention

from .labelled_pictures import LabelledPicture

# Largest stride of common pyramids up to P5.
_PAD_DIVISOR = 32


class Batch(NamedTuple):
    """Normalized pictures with their boxes.

    Attributes:
        images: (N, 3, H, W) float32, zeros at the right and bottom margin.
        boxes: (R, 5) float32: picture in the batch, x1, y1, x2, y2 in pixels
            of ``images``.
    """

    images: Tensor
    boxes: Tensor


def batches(
    pictures: Sequence[LabelledPicture],
    image_size: tuple[int, int],
    convention: InputConvention,
    batch_size: int,
) -> Iterator[Batch]:
    """Read pictures as fine-tuning does: resized, normalized, padded.

    Args:
        pictures: The pictures.
        image_size: (h, w) that a picture is resized to fit into, its aspect
            ratio kept.
        convention: The input that the detector expects.
        batch_size: Pictures of a batch.

    Yields:
        Batches in the order of the pictures.
    """
    for start in range(0, len(pictures), batch_size):
        images, boxes = [], []
        chunk = pictures[start : start + batch_size]
        for place, picture in enumerate(chunk):
            image, scale = _read_resized(picture.path, image_size)
            images.append(_normalized(image, convention))
            rows = torch.from_numpy(picture.boxes * scale)
            boxes.append(F.pad(rows, (1, 0), value=place))
        yield Batch(_stack_padded(images), torch.cat(boxes).float())


def _read_resized(
    path: Path, image_size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the (h, w, 3) uint8 RGB picture and (4,) scales of its boxes."""
    image = read_rgb(path)
    height, width = image.shape[:2]
    factor = min(image_size[0] / height, image_size[1] / width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    scale = np.array([size[0] / width, size[1] / height] * 2, np.float32)
    return resized, scale


def _normalized(image: np.ndarray, convention: InputConvention) -> Tensor:
    """Return (3, h, w) float32 in the order of channels of the detector."""
    if convention.channels == 'BGR':
        image = image[..., ::-1]
    mean = np.array(convention.mean, np.float32)
    std = np.array(convention.std, np.float32)
    pixels = (image.astype(np.float32) - mean) / std
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _stack_padded(images: Sequence[Tensor]) -> Tensor:
    sides = [
        -(-max(image.shape[dim] for image in images) // _PAD_DIVISOR)
        * _PAD_DIVISOR
        for dim in (1, 2)
    ]
    out = torch.zeros(len(images), 3, *sides)
    for row, image in zip(out, images, strict=True):
        row[:, : image.shape[1], : image.shape[2]] = image
    return out
