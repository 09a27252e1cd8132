"""Choose and draw images of a store or of a pretraining config."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmsoco.images.opening import open_images
from mmsoco.images.source import ImageSource
from mmsoco.proposals.filters import FALLBACK_NAMES
from mmsoco.proposals.store import ProposalRecord, ProposalStore
from mmsoco.visualization.proposals import draw_proposals
from mmsoco.visualization.sheets import add_title


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
        names: Draw these images instead.
        fallback: Only images whose boxes passed this stage of the filter, a
            name of ``FALLBACK_NAMES``.

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


def images_of(store: ProposalStore, image_root: Path | None) -> ImageSource:
    """Open the place of a store's images.

    Args:
        store: The store, which usually says where its images are.
        image_root: The folder or tar file, if it was named.

    Raises:
        ValueError: If the store does not say it, and it was not named.
        FileNotFoundError: If the place is not there.
    """
    root, args = image_root, None
    if root is None:
        root = store.metadata.get('image_root')
        args = store.metadata.get('backend_args')
    if root is None:
        raise ValueError(
            f'{str(store.path)!r} does not say where its images are; name '
            'the folder with --image-root'
        )
    try:
        return open_images(root, args)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{error}. Name the place of the images with --image-root'
        ) from error


def draw_record(
    record: ProposalRecord, images: ImageSource, size: int
) -> np.ndarray:
    """Draw the proposals of one image under a title.

    Args:
        record: An image and its proposals.
        images: Where the images are.
        size: Longest side of the picture in pixels.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: If the image is unreadable or of another size.
    """
    rgb = images.read_rgb(record.file_name, record.extent)
    if rgb.shape[:2] != (record.height, record.width):
        raise ValueError(
            f'{images.where(record.file_name)!r} is {rgb.shape[1]} x '
            f'{rgb.shape[0]} pixels, but its proposals are for '
            f'{record.width} x {record.height}; name the right --image-root'
        )
    picture = draw_proposals(rgb, record.bboxes, size)
    found = f'{len(record.bboxes)} boxes'
    if record.fallback:
        found += f' ({FALLBACK_NAMES[record.fallback]})'
    return add_title(picture, f'{record.file_name}: {found}')
