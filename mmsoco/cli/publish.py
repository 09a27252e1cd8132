r"""Strip a checkpoint of its training state and name it by its hash.

The file OUT/NAME_DATE-HASH.pth holds only tensors and plain metadata, so that
`torch.load` can load it with weights_only=True.

Example:
  mmsoco publish detector.pth --out published \
      --name soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k
"""

import argparse

from mmsoco.cli.common import add_out
from mmsoco.cli.option_types import checkpoint


def file_stem(text: str) -> str:
    """Read the start of a file name; refuse one with a folder."""
    if not text.strip() or '/' in text or '\\' in text or text in ('.', '..'):
        raise argparse.ArgumentTypeError(
            f'expected the start of a file name, without a folder, got '
            f'{text!r}'
        )
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        'checkpoint',
        type=checkpoint,
        help='checkpoint of a run, an exported detector, or the work dir of '
        'a run, whose newest checkpoint is used',
    )
    add_out(parser, 'the folder to write the file to')
    parser.add_argument(
        '--name',
        type=file_stem,
        help='start of the file name (default: the name of the checkpoint)',
    )


def run(args: argparse.Namespace) -> None:
    """Publish, and print the new file's name."""
    from mmsoco.checkpoints.newest import find_checkpoint
    from mmsoco.checkpoints.publish import publish

    checkpoint = find_checkpoint(args.checkpoint)
    name = args.name or checkpoint.stem
    print(f'wrote {publish(checkpoint, args.out, name)}')
