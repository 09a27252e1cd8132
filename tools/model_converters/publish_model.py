"""Strips a checkpoint of its training state and names it by its hash.

    python tools/model_converters/publish_model.py detector.pth published \
        --name soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k

The file holds tensors and plain metadata alone, so that `torch.load` takes it
weights-only.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmsoco.checkpoints.publish import publish


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', help='of a run, or an exported detector')
    parser.add_argument('folder', help='folder to write to')
    parser.add_argument(
        '--name',
        help="start of the file's name (default: the checkpoint's)",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Publishes and prints the new file's name."""
    args = parse_args(argv)
    name = args.name or Path(args.checkpoint).stem
    try:
        print(f'wrote {publish(args.checkpoint, args.folder, name)}')
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error


if __name__ == '__main__':
    main()
