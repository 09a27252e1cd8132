"""Convert a proposal store to JSON, or JSON to a store.

The published layout is {basename: [[x, y, w, h], ...]}. It has no image sizes,
so they are read from the images on import. COCO-style JSON keeps everything.
On import, the layout is recognized by the content; boxes that cannot be read
are left out and counted. The exit status is 3 if anything was left out.

Examples:
  mmsoco convert proposals a.arrow --out a.json
  mmsoco convert proposals a.arrow --out a.json --layout published
  mmsoco convert proposals a.json --out b.arrow --image-root images
"""

import argparse

from mmsoco.cli.common import add_out, add_overwrite
from mmsoco.cli.conversions.outcome import add_strict, report_problems
from mmsoco.cli.option_types import path
from mmsoco.utils.files import refuse_existing, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the conversion."""
    parser.add_argument('source', type=path, help='a store or a .json file')
    add_out(parser, 'the .json file or the store to write')
    add_overwrite(parser)
    parser.add_argument(
        '--layout',
        choices=('coco', 'published'),
        default='coco',
        help='layout of the JSON file to write (default: %(default)s)',
    )
    parser.add_argument(
        '--image-root',
        type=path,
        metavar='DIR',
        help='image folder; needed to import the published layout',
    )
    parser.add_argument(
        '--skip-missing',
        action='store_true',
        help='leave out proposals of images that are not in the folder',
    )
    add_strict(parser)


def run(args: argparse.Namespace) -> int:
    """Convert, and print a summary of the store and of all problems."""
    is_json = args.source.suffix.lower() == '.json'
    if args.out.suffix.lower() == ('.json' if is_json else '.arrow'):
        made, name = ('a store', 'X.arrow') if is_json else ('JSON', 'X.json')
        raise ValueError(
            f'--out {args.out}: {args.source} is converted to {made}; name '
            f'it like {name}'
        )
    kind = 'proposal store' if is_json else 'JSON file'
    refuse_existing(args.out, args.overwrite, kind)
    from mmsoco.proposals import convert
    from mmsoco.proposals.store import ProposalStore
    from mmsoco.proposals.summary import describe
    from mmsoco.utils.problems import Problems

    problems = Problems()
    if is_json:
        store = convert.import_json(
            args.source,
            args.out,
            args.image_root,
            args.skip_missing,
            args.strict,
            problems,
        )
    else:
        store = ProposalStore(args.source)
        content = convert.EXPORTS[args.layout](store)
        write_json(args.out, content, ensure_ascii=False)
    print(describe(store))
    return report_problems(problems)
