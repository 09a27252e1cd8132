"""Converts checkpoints of SoCo's authors to mmsoco, and back.

# to go on training, or to export later
python tools/model_converters/convert_reference.py soco_fpn.pth ours.pth

# straight to weights that an mmdet detector loads
python tools/model_converters/convert_reference.py soco_fpn.pth det.pth \
        --to mmdet

# ours in the authors' layout
python tools/model_converters/convert_reference.py ours.pth theirs.pth \
        --to reference
"""

import argparse
from collections.abc import Sequence

from mmsoco.checkpoints.export import describe
from mmsoco.checkpoints.reference import LAYOUTS, convert_reference


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', help='checkpoint to read')
    parser.add_argument('out', help='checkpoint to write')
    parser.add_argument(
        '--to',
        choices=LAYOUTS,
        default='mmsoco',
        help='layout of the new checkpoint (default: mmsoco)',
    )
    parser.add_argument(
        '--online-only',
        action='store_true',
        help='leave out predictor and target network',
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Converts and prints the manifest."""
    args = parse_args(argv)
    try:
        manifest = convert_reference(
            args.checkpoint, args.out, args.to, args.online_only
        )
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'wrote {args.out}\n{describe(manifest)}'.strip())


if __name__ == '__main__':
    main()
