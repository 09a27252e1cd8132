r"""Fine-tune a pretrained detector on labels, and evaluate it.

DIR is the output folder of `mmsoco pretrain`. Labels are COCO JSON, or a data
set in VOC layout (its folder, or a list in ImageSets/Main), which includes the
pictures. The classes, boxes or masks, and the size of the pictures are read
from these files.

Example:
    mmsoco finetune out/mine --train train.json --train-images images \
        --val val.json --val-images images --labels 60

Writes the weights (detector.pth), the complete config, checkpoints, logs and a
report that shows the detections next to the labels to DIR/finetune (see
--out). With --scratch, the same training starts without the pretrained
weights, for comparison.
"""

import argparse

from mmsoco.cli import workflow_options as shared
from mmsoco.cli.common import add_cfg_options
from mmsoco.cli.option_types import integer, path

INTERRUPTED = shared.FROM_CHECKPOINT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    shared.add_run(parser)
    shared.add_labels(
        parser,
        'COCO JSON, or a data set in VOC layout',
        'not needed for a VOC data set',
    )
    parser.add_argument(
        '--labels',
        type=integer(1),
        metavar='N',
        help='number of labeled pictures to train on, drawn with the seed '
        '(default: all)',
    )
    parser.add_argument(
        '--scratch',
        action='store_true',
        help='train without the pretrained weights',
    )
    parser.add_argument(
        '--parts',
        nargs='+',
        metavar='PART',
        help='parts of the pretrained weights to load, such as backbone neck, '
        'or all (default: all but a box head that was pretrained for fewer '
        'than 6,000 steps)',
    )
    shared.add_epochs(parser)
    shared.add_batch_size(parser, lowest=1)
    shared.add_seed(parser, 'the drawn labels and the training', default=0)
    parser.add_argument(
        '--out',
        type=path,
        metavar='PATH',
        help='folder for the fine-tuning (default: one in DIR, such as '
        'DIR/finetune-60-scratch for --labels 60 --scratch)',
    )
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Fine-tune."""
    from mmsoco.workflow.console import Console
    from mmsoco.workflow.finetune import STEPS, finetune

    options = {
        name: getattr(args, name)
        for name in (
            'train_images', 'val_images', 'labels', 'scratch', 'parts',
            'epochs', 'batch_size', 'seed', 'out', 'cfg_options',
        )
    }  # fmt: skip
    console = Console(len(STEPS))
    try:
        finetune(args.run, args.train, args.val, console=console, **options)
    finally:
        args.log_folder = console.log_folder
