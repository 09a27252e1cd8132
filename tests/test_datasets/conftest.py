"""A small set of awkward images with their proposals."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from mmsoco.proposals.store import ProposalRecord, ProposalStoreWriter

# file name: (height, width), boxes
IMAGES = {
    'a/plain.jpg': ((60, 80), [[5, 5, 40, 40], [20, 10, 75, 55]]),
    'a/two words.png': ((48, 48), [[0, 0, 40, 40]]),
    'b/many.png': ((90, 70), [[i, i, i + 40, i + 35] for i in range(25)]),
    'b/none.png': ((50, 64), []),
    'b/pixel.png': ((1, 1), []),
    'ü/tall ñ.png': ((300, 4), [[0, 0, 4, 90], [0, 100, 4, 280]]),
}


class ImageSet(NamedTuple):
    root: Path
    store: Path
    images: dict


def write_store(path: Path, images: dict) -> Path:
    records = [
        ProposalRecord(
            file_name=name,
            height=height,
            width=width,
            bboxes=np.array(bboxes, np.float32).reshape(-1, 4),
            fallback=0 if bboxes else 3,
        )
        for name, ((height, width), bboxes) in sorted(images.items())
    ]
    with ProposalStoreWriter(path, dict(image_root='elsewhere')) as writer:
        writer.write(records)
    return path


@pytest.fixture
def image_set(tmp_path: Path) -> ImageSet:
    """Six images from 1 x 1 to 300 x 4 pixels, and their store."""
    rng = np.random.default_rng(0)
    root = tmp_path / 'images'
    for name, (size, _) in IMAGES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    store = write_store(tmp_path / 'proposals.arrow', IMAGES)
    return ImageSet(root, store, IMAGES)


@pytest.fixture
def make_store() -> Callable[[Path, dict], Path]:
    """Writes a store of images as in `ImageSet.images`."""
    return write_store


@pytest.fixture
def pipeline() -> list[dict]:
    """The published pipeline at small sizes."""
    return [
        dict(
            type='DrawViews',
            views=[
                dict(type='WholeImageView', size=32, jitter_prob=0.5),
                dict(type='RandomCropView', size=32),
                dict(type='RandomCropView', size=16),
            ],
            pairs=[(1, 2), (1, 3)],
        ),
        dict(type='PhotometricJitter'),
        dict(type='DrawCutout'),
        dict(type='PackViews'),
    ]
