"""Draw the proposals of some images of a store.

Writes a picture per image and contact_sheet.jpg. Colours tell the size of a
box relative to its image, from yellow (small) to green (large).

Example::

    python tools/analysis_tools/browse_proposals.py a.arrow work_dirs/look
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from mmsoco.images.reading import read_rgb
from mmsoco.proposals.command_line import run
from mmsoco.proposals.filters import FALLBACK_NAMES
from mmsoco.proposals.store import ProposalRecord, ProposalStore
from mmsoco.visualization.proposals import (
    add_title,
    contact_sheet,
    draw_proposals,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('store', help='made by tools/proposals/generate.py')
    parser.add_argument('out', help='folder for the pictures')
    parser.add_argument(
        '--image-root', help='default: where the store was made from'
    )
    parser.add_argument(
        '--number',
        type=int,
        default=12,
        help='images, spread over the store; default: %(default)s',
    )
    parser.add_argument(
        '--names', nargs='+', help='draw these images of the store instead'
    )
    parser.add_argument(
        '--fallback',
        choices=FALLBACK_NAMES,
        help='draw only images whose boxes were found by this filter',
    )
    parser.add_argument('--columns', type=int, default=4)
    parser.add_argument(
        '--size', type=int, default=480, help='longest side, pixels'
    )
    return parser.parse_args(argv)


def choose(store: ProposalStore, args: argparse.Namespace) -> list[int]:
    """Choose rows of a store.

    Raises:
        ValueError: If none fits, or a name is not in the store.
    """
    if args.names:
        try:
            return [store.index_of(name) for name in args.names]
        except KeyError as e:
            raise ValueError(e.args[0]) from None
    rows = np.arange(len(store))
    if args.fallback is not None:
        wanted = FALLBACK_NAMES.index(args.fallback)
        rows = rows[store.fallbacks() == wanted]
    if not len(rows):
        raise ValueError(f'no such images in {args.store!r}')
    spread = np.linspace(0, len(rows) - 1, min(args.number, len(rows)))
    return rows[spread.round().astype(int)].tolist()


def draw(record: ProposalRecord, root: Path, size: int) -> np.ndarray:
    """Draw one image under a title.

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


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    if min(args.number, args.columns, args.size) < 1:
        raise ValueError('--number, --columns and --size must be 1 or more')
    store = ProposalStore(args.store)
    root = args.image_root or store.metadata.get('image_root')
    if root is None:
        raise ValueError(
            f'{args.store!r} does not say where its images are; name the '
            'folder with --image-root'
        )
    out = Path(args.out)
    rows = choose(store, args)
    pictures = [draw(store[row], Path(root), args.size) for row in rows]
    out.mkdir(parents=True, exist_ok=True)
    for row, picture in zip(rows, pictures, strict=True):
        stem = Path(store.file_name(row)).stem
        Image.fromarray(picture).save(out / f'{row:07d}_{stem}.png')
    sheet = out / 'contact_sheet.jpg'
    Image.fromarray(contact_sheet(pictures, args.columns)).save(sheet)
    print(f'{len(pictures)} pictures in {str(out)!r}, all in {str(sheet)!r}')


if __name__ == '__main__':
    run(main)
