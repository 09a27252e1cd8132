r"""Find object proposals in the pictures of a folder.

Boxes come from selective search or, with --detector, from the RPN of a
detector (a pretrained one, or any detector of mmdet).

It uses all cores. If it is killed at any moment and run again, it continues
after the finished parts in OUT.parts. The defaults of the search and the
filter are the paper's; `mmsoco browse OUT` draws the boxes that were found.

Examples:
  mmsoco propose "my pictures" --out proposals.arrow
  mmsoco propose faces --out faces.arrow --min-size 8 --min-scale 0.03

To apply another filter in seconds, without a second search:
  mmsoco propose images --out a.arrow --keep-regions
  mmsoco convert regions a.regions.arrow --out b.arrow --min-scale 0.1

To add the boxes of a pretrained detector to those of the search:
  mmsoco propose images --out more.arrow --detector out/mine/detector.pth \
      --join out/mine/proposals.arrow

To use several machines, make shards: as a Slurm array (sbatch --array=0-15)
  mmsoco propose train --out shard-$SLURM_ARRAY_TASK_ID.arrow \
      --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
or by torchrun on 8 nodes with all cores of each node
  torchrun --nnodes 8 --nproc-per-node 1 --rdzv-endpoint HOST:PORT \
      --no-python bash -c 'mmsoco propose train \
      --out shard-$RANK.arrow --shard $RANK/$WORLD_SIZE'
and then
  mmsoco convert shards shard-*.arrow --out proposals.arrow
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmsoco.cli.backend_options import add_backend_args, add_images
from mmsoco.cli.common import add_out, add_overwrite
from mmsoco.cli.option_types import (
    checkpoint,
    integer,
    number,
    path,
    processes,
)
from mmsoco.cli.spec_options import add_spec_options, spec_from
from mmsoco.proposals.filters import FilterSpec
from mmsoco.proposals.search.spec import SearchSpec
from mmsoco.utils.machine import available_cores

if TYPE_CHECKING:
    from mmsoco.models.rpn_finder import RPNFinder
    from mmsoco.proposals.generation.generate import Summary

# A shorter start-up, in seconds, is not reported.
_WORTH_TELLING = 2.0
INTERRUPTED = (
    'interrupted; run the same command to continue after the finished parts'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    add_images(
        parser,
        'image folder, searched recursively; a tar file that `mmsoco '
        'pack` wrote; or the address of a storage backend',
    )
    add_out(parser, 'the proposal store to write, such as proposals.arrow')
    add_overwrite(parser)
    parser.add_argument(
        '--workers',
        type=processes,
        default=available_cores(),
        metavar='N',
        help='number of processes (default: all cores, %(default)s)',
    )
    parser.add_argument(
        '--memory',
        type=number(0, above=True),
        metavar='MIB',
        help='memory limit of each process for one image; larger images are '
        'left out and listed (default: the processes share the free memory)',
    )
    parser.add_argument(
        '--shrink',
        action='store_true',
        help='search images that need more than --memory at a smaller size '
        'instead of leaving them out',
    )
    parser.add_argument(
        '--shard',
        default='0/1',
        metavar='i/n',
        help='make only the i-th of n shards, counted from 0; each shard '
        'needs its own --out',
    )
    parser.add_argument(
        '--keep-regions',
        action='store_true',
        help='also write all regions to OUT.regions.arrow, from which '
        '`mmsoco convert regions` makes other proposals in seconds',
    )
    _add_detector(parser.add_argument_group('options for a detector'))
    add_backend_args(parser)
    add_spec_options(parser, SearchSpec(), 'options for selective search')
    add_spec_options(parser, FilterSpec(), 'options for the filter')


def _add_detector(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--detector',
        type=checkpoint,
        metavar='WEIGHTS',
        help='checkpoint of a detector whose RPN finds the boxes; on a GPU, '
        '--workers 4 is enough',
    )
    group.add_argument(
        '--detector-config',
        type=path,
        metavar='CONFIG',
        help='config of the detector (default: the config in the checkpoint)',
    )
    group.add_argument(
        '--size',
        type=integer(32, 65535),
        metavar='PIXELS',
        help='longest side of the images that the detector gets (default: as '
        'in its training)',
    )
    group.add_argument(
        '--boxes',
        type=integer(1, 100_000),
        metavar='N',
        help='largest number of boxes per image before the filter (default: '
        '100)',
    )
    group.add_argument(
        '--join',
        type=path,
        metavar='STORE',
        help='store of the same images to join: its boxes are kept, and boxes '
        'of the detector are added unless they overlap one of them with an '
        "IoU of 0.7 or more; the detector's own store is OUT.detector.arrow",
    )


def run(args: argparse.Namespace) -> None:
    """Make the store, and print a summary."""
    _refuse_options(args)
    search: SearchSpec | RPNFinder = spec_from(args, SearchSpec)
    filters = spec_from(args, FilterSpec)
    if args.detector is not None:
        search = _finder(args)

    from mmsoco.images.lists import refuse_none
    from mmsoco.images.opening import open_images
    from mmsoco.proposals.generation.generate import generate
    from mmsoco.proposals.generation.job import Job
    from mmsoco.proposals.summary import describe
    from mmsoco.utils.shards import parse_shard
    from mmsoco.workflow.console import Console

    source = open_images(args.images, args.backend_args)
    found = source.find(args.ann_file)
    refuse_none(found, args.ann_file)
    print(found.report())
    job = Job(
        image_root=str(args.images),
        all_names=found.names,
        out=str(_detector_store(args.out) if args.join else args.out),
        search=search,
        filters=filters,
        keep_regions=args.keep_regions,
        shard=parse_shard(args.shard),
        memory_mib=args.memory,
        shrink=args.shrink,
        backend_args=args.backend_args or None,
    )
    if args.join:
        from mmsoco.proposals.rework import join_stores, refuse_unjoinable

        refuse_unjoinable(args.join, job.names, str(args.images))
    console = Console()
    with console.progress('search', len(job.names)) as progress:
        summary = generate(
            job, args.workers, args.overwrite, console.line, progress.reach
        )
    print(describe(summary.store))
    print(describe_speed(summary))
    if args.join:
        joined = join_stores(
            args.join, job.out, args.out, overwrite=args.overwrite
        )
        print(f'{args.out}, joined with {args.join}:\n{describe(joined)}')


def _refuse_options(args: argparse.Namespace) -> None:
    """Refuse options of a detector without one, or of the search with one."""
    if args.detector is None:
        for name in ('detector_config', 'size', 'boxes', 'join'):
            if getattr(args, name) is not None:
                option = name.replace('_', '-')
                raise ValueError(f'--{option} needs --detector WEIGHTS')
        return
    for name, default in SearchSpec().as_dict().items():
        if getattr(args, name) != default:
            option = name.replace('_', '-')
            raise ValueError(
                f'--{option} is an option of selective search, which '
                '--detector replaces'
            )


def _finder(args: argparse.Namespace) -> RPNFinder:
    """Return the finder of the detector's boxes."""
    from mmsoco.models.rpn_finder import RPNFinder

    config = args.detector_config
    given = dict(
        config=config and str(config), size=args.size, number=args.boxes
    )
    finder = RPNFinder(
        str(args.detector), **{k: v for k, v in given.items() if v is not None}
    )
    finder.prepare()
    return finder


def _detector_store(out: Path) -> Path:
    """Return the path of the detector's store, next to the joined one."""
    return out.with_name(f'{out.stem}.detector{out.suffix}')


def describe_speed(summary: Summary) -> str:
    """Return a line with the time that it took and the store's path."""
    place = summary.store.path
    if not summary.seconds:
        return f'{place} is already complete; nothing to do'
    if not summary.made:
        return f'{place}: joined from the parts of an earlier call'
    seconds = summary.search_seconds
    text = (
        f'{place}: {summary.made} images in {seconds:.1f} s, '
        f'{summary.made / seconds:.1f} images/s, '
        f'{summary.cpu_seconds / seconds:.1f} cores busy'
    )
    if summary.seconds - seconds > _WORTH_TELLING:
        text += f' (and {summary.seconds - seconds:.0f} s to start and finish)'
    return text
