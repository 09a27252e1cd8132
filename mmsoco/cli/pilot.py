r"""Answer whether a pretrained detector helps with your own labels.

DIR is the folder of a pretraining. Its detector and the alternative (a
detector from scratch, or --init WEIGHTS) are fine-tuned on the same subsets
of your labels, several times each, and judged on VAL. The report is one page
with the verdict, its 95 % interval, and what it would take to know more.
Before it starts, a short trial tells how long it will take; called again, it
goes on where it was.

Example:
  mmsoco pilot out/mine --train train.json --train-images images \
      --val val.json --val-images images --labels 50 100 --time 2h
"""

import argparse
from pathlib import Path

from mmsoco.cli.common import duration, integer, path

INTERRUPTED = 'stopped; the same command goes on from here'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        'run', type=path, metavar='DIR', help='folder of the pretraining'
    )
    for name, use in (('train', 'learn from'), ('val', 'judge on')):
        parser.add_argument(
            f'--{name}',
            type=path,
            required=True,
            metavar='LABELS',
            help=f'COCO JSON to {use}',
        )
        parser.add_argument(
            f'--{name}-images',
            type=path,
            metavar='FOLDER',
            help='folder of its pictures (default: that of the labels)',
        )
    parser.add_argument(
        '--labels',
        type=integer(1),
        nargs='+',
        metavar='N',
        help='numbers of labelled pictures (default: a quarter, and all)',
    )
    parser.add_argument(
        '--seeds',
        type=integer(1),
        default=3,
        metavar='N',
        help='repetitions of each (default: %(default)s)',
    )
    parser.add_argument(
        '--time',
        type=duration,
        metavar='T',
        help='time for everything, such as 2h (default: 1,500 steps each)',
    )
    parser.add_argument(
        '--init',
        type=path,
        metavar='WEIGHTS',
        help='the alternative to the pretrained detector (default: scratch)',
    )
    parser.add_argument(
        '--out', type=path, metavar='PATH', help='default: DIR/pilot'
    )
    parser.add_argument(
        '--threads', type=integer(1), help='of each training (default: all)'
    )


def run(args: argparse.Namespace) -> int:
    """Run the pilot; return 1 if a fine-tuning failed."""
    from mmsoco.cli.compare import write_pages
    from mmsoco.comparison.pilot import Question, answer_question

    question = Question(
        run=args.run,
        train=args.train,
        train_images=args.train_images or args.train.parent,
        val=args.val,
        val_images=args.val_images or args.val.parent,
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
