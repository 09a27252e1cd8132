"""Exports a pretraining checkpoint as weights for a detector.

    python tools/model_converters/export_detector.py work_dirs/soco OUT.pth

A detector of the same base config loads the result with
`load_from='OUT.pth'`. Other programs:

    --to detectron2             a .pkl for MODEL.WEIGHTS (FPN and C4); its
                                part "meta" tells RGB, mean and deviation
    --to torchvision            maskrcnn_resnet50_fpn_v2, strict=False
    --to torchvision-backbone   resnetN, strict=False (fc is new)
"""

import argparse
from collections.abc import Sequence

from mmsoco.checkpoints.export import CONVERSIONS, describe, export_detector


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'checkpoint',
        help='checkpoint of a pretraining run, or the work dir of the run, '
        'whose newest checkpoint is taken',
    )
    parser.add_argument('out', help='file to write, such as detector.pth')
    parser.add_argument(
        '--parts',
        nargs='+',
        metavar='PART',
        help='export these parts alone, such as backbone neck (default: all)',
    )
    parser.add_argument(
        '--to',
        choices=list(CONVERSIONS),
        default='mmdet',
        help='the program that will load the weights (default: mmdet)',
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Exports and prints the manifest."""
    args = parse_args(argv)
    try:
        manifest = export_detector(
            args.checkpoint, args.out, args.parts, args.to
        )
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'wrote {args.out}\n{describe(manifest)}')


if __name__ == '__main__':
    main()
