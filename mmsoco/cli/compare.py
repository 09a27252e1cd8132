"""Compare starts of fine-tuning under one protocol, with error bars.

A plan names data, starts (scratch, SoCo, other methods, any checkpoint),
label budgets and seeds. Its cells, each one a pretraining or a fine-tuning,
are run one by one, and each leaves a JSON record. If the command is stopped,
run it again to continue. The report is made from the records.

Example:
  mmsoco compare configs/comparison/smoke.py
  mmsoco compare configs/comparison/bins.py --data data/bins --status
  mmsoco compare configs/comparison/bins.py --shard 0/8
"""

import argparse
from pathlib import Path

from mmsoco.cli import workflow_options as shared
from mmsoco.cli.option_types import path

INTERRUPTED = shared.FROM_HERE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument('plan', type=path, help='file of the plan')
    parser.add_argument(
        '--out',
        type=path,
        metavar='DIR',
        help='folder for the trainings and the report (default: '
        'work_dirs/comparison/NAME)',
    )
    parser.add_argument(
        '--records',
        type=path,
        metavar='DIR',
        help='folder for the JSON records (default: OUT/records)',
    )
    parser.add_argument(
        '--data',
        type=path,
        metavar='DIR',
        help='folder of the data (default: the folder that the plan names)',
    )
    parser.add_argument(
        '--shard',
        default='0/1',
        metavar='i/n',
        help='run only the i-th of n shares of the cells, counted from 0; all '
        'shares use the same --out',
    )
    parser.add_argument(
        '--only', default='', metavar='CELL', help='run only this cell'
    )
    parser.add_argument(
        '--status',
        action='store_true',
        help='list the cells with their measured or expected times, and exit',
    )
    shared.add_threads(parser)


def shown(plan: Path) -> str:
    """Return a plan's path for the records, without the machine's folders."""
    return plan.name if plan.is_absolute() else plan.as_posix()


def run(args: argparse.Namespace) -> int:
    """Run the cells and write the report; return 1 if a cell is not done."""
    from mmsoco.comparison.harness import Comparison
    from mmsoco.comparison.plan_file import read_plan
    from mmsoco.comparison.progress import remaining
    from mmsoco.utils.shards import parse_shard

    shard = parse_shard(args.shard)
    plan = read_plan(args.plan, args.data)
    out = args.out or Path('work_dirs', 'comparison', plan.name)
    comparison = Comparison(
        plan,
        out,
        args.records or out / 'records',
        ('mmsoco', 'compare', shown(args.plan)),
        args.threads,
    )
    comparison.prepare()
    if args.status:
        states = comparison.status(shard, args.only)
        print('\n'.join([*map(str, states), remaining(states)]))
        return 0
    is_done = comparison.run(shard, args.only)
    print(write_pages(comparison.records, out))
    return 0 if is_done else 1


def write_pages(records: Path, out: Path) -> str:
    """Write the report of the records; return its answer in lines."""
    from mmsoco.comparison.report import write_report

    html, markdown = out / 'report.html', out / 'report.md'
    [chapter] = write_report([records], html, markdown)
    return '\n'.join([*chapter.answer, f'report: {html}'])
