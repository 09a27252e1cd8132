"""Propose objects with many machines, by submitit.

Cuts the pictures into shards, submits a job for each, waits, and joins the
shards. If it is killed and run again, finished shards take a moment and the
others continue after their finished parts. Slurm requeues a job that was
preempted or whose time is up. All other options are passed to
`mmsoco propose`.

Needs submitit: pip install "mmsoco[dev]".

Examples:
  python tools/proposals/submit.py train --out proposals.arrow --jobs 2
  python tools/proposals/submit.py train --out proposals.arrow --jobs 64 \
      --cluster slurm --partition cpu --cores 16 --hours 4 --min-size 8
"""

import argparse
import sys
from pathlib import Path

import submitit

from mmsoco.cli import propose
from mmsoco.cli.main import main as mmsoco
from mmsoco.cli.main import parser_of
from mmsoco.cli.option_types import integer, number
from mmsoco.utils.machine import available_cores


class Shard(submitit.helpers.Checkpointable):
    """A job: `mmsoco propose` on one shard of the pictures.

    Args:
        words: The arguments of `mmsoco propose`, except for the two below.
        folder: Where the shards go.
        count: How many there are.
    """

    def __init__(self, words: list[str], folder: Path, count: int) -> None:
        self.words = words
        self.folder = folder
        self.count = count

    def __call__(self, index: int) -> str:
        """Make the shard, and return its path.

        Raises:
            RuntimeError: If it could not be made.
        """
        path = str(self.folder / f'shard-{index:05d}.arrow')
        shard = ['--out', path, '--shard', f'{index}/{self.count}']
        if status := mmsoco(['propose', *self.words, *shard]):
            raise RuntimeError(f'mmsoco propose ended with status {status}')
        return path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line.

    Returns:
        The options, and in ``words`` those of `mmsoco propose`.

    Raises:
        SystemExit: After the help, or a wrong option.
    """
    # Not the parser of the verbs, which refuses what it does not know.
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument('images', type=Path, help='image folder')
    parser.add_argument(
        '--out', type=Path, required=True, help='the store to make'
    )
    parser.add_argument(
        '--jobs', type=integer(1), required=True, help='number of shards'
    )
    parser.add_argument(
        '--cluster',
        choices=('local', 'slurm'),
        default='local',
        help='local: processes on this machine (default)',
    )
    parser.add_argument('--partition', help='partition of Slurm')
    parser.add_argument(
        '--cores',
        type=integer(1),
        help='cores of a job; default: all of this machine, shared by the '
        'jobs where they are local',
    )
    parser.add_argument(
        '--hours',
        type=number(0, above=True),
        default=24.0,
        help='time limit of a job (default: %(default)g)',
    )
    args, others = parser.parse_known_args(argv)
    if args.cores is None:
        share = args.jobs if args.cluster == 'local' else 1
        args.cores = max(1, available_cores() // share)
    args.words = [str(args.images.absolute()), '--workers', str(args.cores)]
    args.words += others
    # A misspelled option ends here, and not in every job.
    checked = [*args.words, '--out', str(args.out)]
    parser_of('propose', propose).parse_args(checked)
    return args


def submit(args: argparse.Namespace, folder: Path) -> list[submitit.Job]:
    """Submit a job for each shard, as one array where there is Slurm."""
    executor = submitit.AutoExecutor(folder / 'logs', cluster=args.cluster)
    executor.update_parameters(
        name='mmsoco-propose',
        timeout_min=round(60 * args.hours),
        cpus_per_task=args.cores,
        slurm_partition=args.partition,
    )
    shard = Shard(args.words, folder, args.jobs)
    return executor.map_array(shard, range(args.jobs))


def run(args: argparse.Namespace) -> int:
    """Make the shards on the cluster and join them; return a status."""
    if args.out.exists():
        print(
            f'error: {args.out} exists; choose another --out, or remove it',
            file=sys.stderr,
        )
        return 1
    folder = Path(f'{args.out.absolute()}.shards')
    folder.mkdir(exist_ok=True)
    jobs = submit(args, folder)
    print(f'{len(jobs)} jobs; logs in {folder / "logs"}', flush=True)
    failed = [job for job in jobs if job.exception() is not None]
    for job in failed:
        print(f'error: job {job.job_id}: {job.paths.stderr}', file=sys.stderr)
    if failed:
        print(
            f'{len(failed)} of {len(jobs)} jobs failed; fix what their logs '
            'report and run the same command again',
            file=sys.stderr,
        )
        return 1
    shards = [job.result() for job in jobs]
    return mmsoco(['convert', 'shards', *shards, '--out', str(args.out)])


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
