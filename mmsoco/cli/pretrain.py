r"""Pretrain a detector on a folder of pictures, without labels.

Makes proposals, draws some of them for you to look at, trains, and writes the
detector's weights with a report. It chooses settings that suit the machine
and the pictures, and prints them. If it is interrupted, run it again to
continue; with a larger --epochs or --time it continues even a finished run.

Example:
    mmsoco pretrain "my pictures" --out out/mine

With labels of some of the pictures (--check), the filter of the proposals is
chosen so that it keeps such objects:

    mmsoco pretrain "my pictures" --out out/mine --check train.json --time 2h

With --init, training starts from existing weights, which must fit the
detector:

    mmsoco pretrain "my pictures" --out out/mine --init coco.pth \
        --detector mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py

With --rounds 2, the pretrained RPN adds boxes to the proposals, and a second
pretraining learns from them; the first one is kept in OUT/rounds/1:

    mmsoco pretrain "my pictures" --out out/mine --rounds 2

OUT then holds detector.pth, report.html, proposals.arrow, look/, pretrain.py
and finetune.py (complete configs), checkpoints/, logs/ and manifest.json.
"""

import argparse

from mmsoco.cli import workflow_options as shared
from mmsoco.cli.common import add_cfg_options, add_out
from mmsoco.cli.option_types import integer, path, processes
from mmsoco.cli.spec_options import MEANINGS, TYPES
from mmsoco.workflow.settings import FILTERS

INTERRUPTED = shared.FROM_CHECKPOINT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        'images',
        type=path,
        metavar='FOLDER',
        help='folder of the pictures, searched recursively',
    )
    add_out(parser, 'folder for the run', positional=False)
    parser.add_argument(
        '--check',
        type=path,
        metavar='LABELS',
        help='COCO-style JSON with labels of some of the pictures, from which '
        'the filter of the proposals is chosen; they are not trained on',
    )
    _add_model(parser)
    shared.add_epochs(parser)
    shared.add_time(
        parser, 'time limit of the training', 'chosen from the number of steps'
    )
    _add_training(parser)
    limits = parser.add_argument_group(
        'filter of the proposals', 'chosen from the pictures unless set'
    )
    for name in FILTERS:
        limits.add_argument(
            f'--{name.replace("_", "-")}',
            type=TYPES[name],
            metavar='X',
            help=MEANINGS[name],
        )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--init',
        metavar='WEIGHTS',
        help='checkpoint of a detector or a backbone to start from, or '
        '"scratch" (default: the weights that the config of the detector '
        'names)',
    )
    parser.add_argument(
        '--detector',
        metavar='CONFIG',
        help='config of the detector: a file, or a config of a package such '
        'as mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py (default: Mask '
        'R-CNN R50-FPN on a GPU, a small R18-FPN on a CPU)',
    )
    parser.add_argument(
        '--rpn',
        action=argparse.BooleanOptionalAction,
        help="whether to also train the detector's RPN, to find the proposals "
        '(default: yes on a CPU, unless --init gives weights or the detector '
        'has no RPN)',
    )
    parser.add_argument(
        '--rounds',
        type=integer(1, 100),
        default=1,
        metavar='N',
        help='number of pretrainings, each on proposals to which the RPN of '
        'the previous one has added boxes; implies --rpn. --epochs and --time '
        'are the length of one round (default: 1)',
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--devices',
        type=processes,
        metavar='N',
        help='number of GPUs (default: all), or of processes on a CPU',
    )
    shared.add_batch_size(parser, lowest=4)
    shared.add_seed(parser, 'all random numbers of the run')
    parser.add_argument(
        '--precision',
        choices=('fp32', 'bf16', 'fp16'),
        help='precision of the computation (default: the fastest one, as '
        'measured)',
    )
    parser.add_argument(
        '--workers',
        type=processes,
        metavar='N',
        help='number of processes that load pictures (default: chosen from '
        'the number of cores)',
    )
    parser.add_argument(
        '--proposals',
        type=path,
        metavar='FILE',
        help='existing proposal store of the pictures to use',
    )
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Pretrain."""
    from mmsoco.workflow.console import Console
    from mmsoco.workflow.pretrain import STEPS, pretrain
    from mmsoco.workflow.rounds import pretrain_in_rounds

    filters = {
        name: getattr(args, name)
        for name in FILTERS
        if getattr(args, name) is not None
    }
    options = {
        name: getattr(args, name)
        for name in (
            'check', 'init', 'detector', 'epochs', 'time', 'devices',
            'batch_size', 'seed', 'precision', 'workers', 'proposals',
            'cfg_options', 'rpn',
        )
    }  # fmt: skip
    options['filters'] = filters
    options['console'] = console = Console(len(STEPS))
    try:
        if args.rounds == 1:
            done = pretrain(args.images, args.out, **options)
        else:
            done = pretrain_in_rounds(
                args.images, args.out, args.rounds, **options
            )
    finally:
        args.log_folder = console.log_folder
    print(f'next: {done.next_command}')
