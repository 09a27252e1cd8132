r"""Make the proposals of an image folder by selective search, on all cores.

    python tools/proposals/generate.py data/images data/proposals.arrow

Killed at any moment and called again, it goes on after the finished parts in
OUT.arrow.parts. A large set can be spread over machines in shards, which
tools/proposals/merge.py joins. As a Slurm array (sbatch --array=0-15 ...):

    python tools/proposals/generate.py data/train \
        shard-$SLURM_ARRAY_TASK_ID.arrow \
        --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT

or by torchrun, on 8 nodes with all cores of each:

    torchrun --nnodes 8 --nproc-per-node 1 --rdzv-endpoint HOST:PORT \
        --no-python bash -c 'python tools/proposals/generate.py data/train \
        shard-$RANK.arrow --shard $RANK/$WORLD_SIZE'
"""

import argparse
import os

from mmsoco.images.lists import collect_names, parse_shard
from mmsoco.proposals.command_line import (
    add_spec_options,
    describe,
    run,
    spec_from,
)
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.generation.generate import Summary, generate
from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.search.selective_search import SearchSpec


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('images', help='image folder, searched recursively')
    parser.add_argument('out', help='the store to make, such as OUT.arrow')
    parser.add_argument(
        '--ann-file',
        help='take only the images named here, relative to the folder: one '
        'per line, or a COCO-style .json',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=available_cores(),
        help='processes; default: all cores (%(default)s)',
    )
    parser.add_argument(
        '--shard',
        default='0/1',
        metavar='i/n',
        help='make the i-th of n shards, counted from 0; each into a file of '
        'its own. With a Slurm array: $SLURM_ARRAY_TASK_ID/'
        '$SLURM_ARRAY_TASK_COUNT; under torchrun: $RANK/$WORLD_SIZE',
    )
    parser.add_argument(
        '--keep-regions',
        action='store_true',
        help='also write all regions to OUT.regions.arrow, from which '
        'tools/proposals/refilter.py makes other proposals in seconds',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='throw away an old store of that name and its parts first',
    )
    add_spec_options(parser, SearchSpec(), 'selective search')
    add_spec_options(parser, FilterSpec(), 'filter')
    return parser.parse_args(argv)


def available_cores() -> int:
    """Count the cores this process may use, fewer than the machine's."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    job = Job(
        image_root=args.images,
        all_names=collect_names(args.images, args.ann_file),
        out=args.out,
        search=spec_from(args, SearchSpec),
        filters=spec_from(args, FilterSpec),
        keep_regions=args.keep_regions,
        shard=parse_shard(args.shard),
    )
    summary = generate(job, args.workers, args.overwrite)
    print(describe(summary.store))
    print(describe_speed(summary))


def describe_speed(summary: Summary) -> str:
    """Say in a line how long it took, and where the store is."""
    path = summary.store.path
    if not summary.seconds:
        return f'{path} was complete already; nothing to do'
    return (
        f'{path}: {summary.made} images in {summary.seconds:.1f} s, '
        f'{summary.made / summary.seconds:.1f} images/s, '
        f'{summary.cpu_seconds / summary.seconds:.1f} cores busy'
    )


if __name__ == '__main__':
    run(main)
