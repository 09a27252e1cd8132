"""Folders of pictures without content, and stores of the same boxes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmsoco.proposals.records import ProposalRecord
from mmsoco.proposals.store import ProposalStoreWriter


def write_noise(
    folder: Path, names: Sequence[str], size: tuple[int, int] = (90, 120)
) -> None:
    """Write pictures of noise, each another one, of a size (h, w)."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for name in names:
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)


def write_store(
    path: Path,
    names: Sequence[str],
    bboxes: Sequence,
    size: tuple[int, int] = (90, 120),
    **metadata: object,
) -> None:
    """Write a store with the same (N, 4) boxes for each of some pictures."""
    boxes = np.array(bboxes, np.float32)
    with ProposalStoreWriter(path, metadata) as writer:
        writer.write(ProposalRecord(name, *size, boxes) for name in names)
