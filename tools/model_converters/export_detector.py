"""Exports a pretraining checkpoint as weights for mmdet.

    python tools/model_converters/export_detector.py \
        work_dirs/soco/epoch_100.pth detector.pth

A detector of the same base config loads the result with
`load_from='detector.pth'`.
"""

import argparse
from collections.abc import Sequence

from mmsoco.checkpoints.export import describe, export_detector


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', help='checkpoint of a pretraining run')
    parser.add_argument('out', help='file to write, such as detector.pth')
    parser.add_argument(
        '--parts',
        nargs='+',
        metavar='PART',
        help='export these parts alone, such as backbone neck (default: all)',
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Exports and prints the manifest."""
    args = parse_args(argv)
    try:
        manifest = export_detector(args.checkpoint, args.out, args.parts)
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'wrote {args.out}\n{describe(manifest)}')


if __name__ == '__main__':
    main()
