r"""Fine-tune a pretrained detector on labels, and judge it.

DIR is the folder of a pretraining. Classes, boxes or masks, and the size of
the pictures come from the files; labels are COCO JSON, or a data set in VOC
layout (its folder, or a list below ImageSets/Main), which has its pictures.

Example:
    mmsoco finetune out/mine --train train.json --train-images images \
        --val val.json --val-images images --labels 60

Writes the whole config, checkpoints, logs and a report with the detections
next to the labels into DIR/finetune (or --out). With --scratch the same
training starts without the pretrained weights, for comparison.
"""

import argparse

from mmsoco.cli import workflow_options as shared
from mmsoco.cli.common import add_cfg_options, integer, path

INTERRUPTED = shared.FROM_CHECKPOINT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    shared.add_run(parser)
    shared.add_labels(
        parser,
        'COCO JSON, or a data set in VOC layout',
        'a VOC data set has its own',
    )
    parser.add_argument(
        '--labels',
        type=integer(1),
        metavar='N',
        help='train on N labeled pictures, drawn by the seed (default: all)',
    )
    parser.add_argument(
        '--scratch',
        action='store_true',
        help='train without the pretrained weights',
    )
    shared.add_epochs(parser)
    shared.add_batch_size(parser, lowest=1)
    shared.add_seed(parser, 'the drawn labels and of the training', default=0)
    parser.add_argument(
        '--out',
        type=path,
        metavar='PATH',
        help='folder of the fine-tuning (default: one in DIR)',
    )
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Fine-tune."""
    from mmsoco.workflow.finetune import finetune

    options = {
        name: getattr(args, name)
        for name in (
            'train_images', 'val_images', 'labels', 'scratch', 'epochs',
            'batch_size', 'seed', 'out', 'cfg_options',
        )
    }  # fmt: skip
    finetune(args.run, args.train, args.val, **options)
