r"""Test whether a pretrained detector helps with your own labels.

DIR is the output folder of `mmsoco pretrain`. Its detector and the alternative
(a detector from scratch, or --init WEIGHTS) are fine-tuned on the same subsets
of your labels, several times each, and evaluated on the labels of --val. The
report is one page with the verdict, its 95 % confidence interval, and the
number of further runs that would give a clearer answer.
Before it starts, it estimates from a short trial how long it will take. If it
is stopped, run it again to continue.

Example:
  mmsoco pilot out/mine --train train.json --train-images images \
      --val val.json --val-images images --labels 50 100 --time 2h
"""

import argparse
from pathlib import Path

from mmsoco.cli import workflow_options as shared
from mmsoco.cli.option_types import integer, path

INTERRUPTED = shared.FROM_HERE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    shared.add_run(parser)
    shared.add_labels(
        parser,
        'COCO JSON, or a data set in VOC layout',
        'default: the folder of the labels',
    )
    parser.add_argument(
        '--labels',
        type=integer(1),
        nargs='+',
        metavar='N',
        help='numbers of labeled pictures to train on (default: a quarter of '
        'them, and all)',
    )
    parser.add_argument(
        '--seeds',
        type=integer(1, 100),
        default=3,
        metavar='N',
        help='number of repetitions of each fine-tuning (default: '
        '%(default)s)',
    )
    shared.add_time(
        parser, 'time limit of the whole pilot', '1,500 steps per fine-tuning'
    )
    parser.add_argument(
        '--init',
        type=path,
        metavar='WEIGHTS',
        help='weights to compare the pretrained detector with (default: '
        'training from scratch)',
    )
    parser.add_argument(
        '--out',
        type=path,
        metavar='PATH',
        help='folder for the fine-tunings and the report (default: DIR/pilot)',
    )
    shared.add_threads(parser)


def run(args: argparse.Namespace) -> int:
    """Run the pilot; return 1 if a fine-tuning failed."""
    from mmsoco.cli.compare import write_pages
    from mmsoco.comparison.pilot import Question, answer_question

    question = Question(
        run=args.run,
        train=args.train,
        train_images=args.train_images,
        val=args.val,
        val_images=args.val_images,
        labels=tuple(args.labels or ()),
        seeds=args.seeds,
        seconds=args.time,
        init=args.init,
        out=args.out or args.run / 'pilot',
        command=('mmsoco', 'pilot', *shown_words(args)),
    )
    comparison, is_done = answer_question(question, args.threads)
    print(write_pages(comparison.records, question.out))
    return 0 if is_done else 1


def shown_words(args: argparse.Namespace) -> list[str]:
    """Return the command's main words, without the machine's folders."""
    files = (args.run, '--train', args.train, '--val', args.val)
    return [Path(word).name for word in files]
