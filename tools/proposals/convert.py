"""Convert a proposal store to JSON or back.

The published layout is {basename: [[x, y, w, h], ...]}, without sizes, so its
import reads them from the images. COCO-style JSON keeps everything. On import
the layout is told by the content.

Examples::

    python tools/proposals/convert.py a.arrow a.json --layout coco
    python tools/proposals/convert.py a.arrow a.json --layout published
    python tools/proposals/convert.py a.json b.arrow --image-root images
"""

import argparse
from pathlib import Path

from mmsoco.proposals import convert
from mmsoco.proposals.command_line import describe, run
from mmsoco.proposals.rework import refuse_existing
from mmsoco.proposals.store import ProposalStore
from mmsoco.utils.files import write_json

_EXPORTS = {
    'coco': convert.export_coco,
    'published': convert.export_published,
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('source', help='a store, or a .json file')
    parser.add_argument('out', help='what to make of it')
    parser.add_argument(
        '--layout',
        choices=sorted(_EXPORTS),
        default='coco',
        help='of the JSON file to write; default: %(default)s',
    )
    parser.add_argument(
        '--image-root',
        help='image folder; needed to import the published layout',
    )
    parser.add_argument(
        '--skip-missing',
        action='store_true',
        help='leave out proposals whose image is not in the folder',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace an old file'
    )
    return parser.parse_args(argv)


def import_json(args: argparse.Namespace) -> ProposalStore:
    """Make a store of a JSON file."""
    content = convert.read_json(args.source)
    metadata = convert.coco_metadata(content)
    if args.image_root is not None:
        metadata['image_root'] = str(Path(args.image_root).absolute())
    if 'images' in content and 'annotations' in content:
        records = convert.import_coco(content)
    elif args.image_root is None:
        raise ValueError(
            f'{args.source!r} has the published layout, which has no image '
            'sizes; name the image folder with --image-root'
        )
    else:
        records = convert.import_published(
            content, args.image_root, args.skip_missing
        )
    return convert.write_store(records, args.out, metadata)


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    refuse_existing(args.out, args.overwrite)
    if Path(args.source).suffix.lower() == '.json':
        store = import_json(args)
    else:
        store = ProposalStore(args.source)
        write_json(args.out, _EXPORTS[args.layout](store), ensure_ascii=False)
    print(describe(store))


if __name__ == '__main__':
    run(main)
