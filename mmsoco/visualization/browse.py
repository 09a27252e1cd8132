"""Choose and draw what a store or a pretraining config holds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmsoco.images.reading import read_rgb
from mmsoco.proposals.filters import FALLBACK_NAMES
from mmsoco.proposals.store import ProposalRecord, ProposalStore
from mmsoco.visualization.proposals import add_title, draw_proposals


def spread(count: int, number: int) -> list[int]:
    """Return up to ``number`` of ``count`` indices, evenly spread."""
    if not count:
        return []
    chosen = np.linspace(0, count - 1, min(number, count))
    return np.unique(chosen.round().astype(int)).tolist()


def choose_rows(
    store: ProposalStore,
    number: int,
    names: Sequence[str] = (),
    fallback: str | None = None,
) -> list[int]:
    """Choose rows of a store.

    Args:
        store: The store.
        number: How many images, spread over the store.
        names: These images instead.
        fallback: Only images whose boxes this filter found, a name of
            ``FALLBACK_NAMES``.

    Raises:
        ValueError: If none fits, or a name is not in the store.
    """
    if names:
        try:
            return [store.index_of(name) for name in names]
        except KeyError as error:
            raise ValueError(error.args[0]) from None
    rows = np.arange(len(store))
    if fallback is not None:
        rows = rows[store.fallbacks() == FALLBACK_NAMES.index(fallback)]
    if not len(rows):
        kind = '' if fallback is None else f' with the filter {fallback!r}'
        raise ValueError(f'no such images in {str(store.path)!r}{kind}')
    return rows[spread(len(rows), number)].tolist()


def image_root_of(store: ProposalStore, image_root: Path | None) -> Path:
    """Return the folder of a store's images.

    Args:
        store: The store, which usually says where its images are.
        image_root: The folder, if it was named.

    Raises:
        ValueError: If the store does not say it, and it was not named.
        FileNotFoundError: If the folder is not there.
    """
    root = image_root or store.metadata.get('image_root')
    if root is None:
        raise ValueError(
            f'{str(store.path)!r} does not say where its images are; name '
            'the folder with --image-root'
        )
    if not Path(root).is_dir():
        raise FileNotFoundError(
            f'there is no image folder {str(root)!r}; name the folder of '
            'the images with --image-root'
        )
    return Path(root)


def draw_record(record: ProposalRecord, root: Path, size: int) -> np.ndarray:
    """Draw the proposals of one image under a title.

    Args:
        record: An image and its proposals.
        root: Folder of the images.
        size: Longest side of the picture in pixels.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: If the image is unreadable or of another size.
    """
    rgb = read_rgb(root / record.file_name)
    if rgb.shape[:2] != (record.height, record.width):
        raise ValueError(
            f'{str(root / record.file_name)!r} is {rgb.shape[1]} x '
            f'{rgb.shape[0]} pixels, but its proposals are for '
            f'{record.width} x {record.height}; name the right --image-root'
        )
    picture = draw_proposals(rgb, record.bboxes, size)
    found = f'{len(record.bboxes)} boxes'
    if record.fallback:
        found += f' ({FALLBACK_NAMES[record.fallback]})'
    return add_title(picture, f'{record.file_name}: {found}')
