"""Training step: time, operations and memory per image, by variant.

Yardstick: `every-level`, which pools every box on every level as the
published code does; it computes what the published step computes, but in this
package's form (one optimizer call, one loss).
"""

import argparse
import time
from pathlib import Path

import torch
from harness import Row, alternate, median_rows
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from train_case import TrainCase, parse_variant

from mmsoco.cli.common import add_cfg_options

YARDSTICK = 'every-level'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark's arguments."""
    parser.add_argument('config', type=Path, help='pretraining config')
    parser.add_argument(
        '--variants',
        nargs='+',
        default=['all', 'assigned', 'assigned+channels_last'],
        help='all or assigned, with any of +channels_last, +bf16, +fp16, '
        '+compile, +recompute; every-level is always measured, too',
    )
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--threads', type=int, default=1, help='on a CPU')
    parser.add_argument(
        '--yardstick', default=YARDSTICK, help='variant to compare with'
    )
    parser.add_argument(
        '--peak-tflops', type=float, help="the card's peak, for the share"
    )
    parser.add_argument(
        '--profile',
        action='store_true',
        help="print the last variant's ten longest operations",
    )
    add_cfg_options(parser)


def measure(args: argparse.Namespace) -> list[Row]:
    """Time the variants in turn."""
    torch.set_num_threads(args.threads)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    names = list(dict.fromkeys([args.yardstick, *args.variants]))
    for name in names:
        parse_variant(name)
    cases, flops, memory = {}, {}, {}
    for name in names:
        case = TrainCase(
            args.config, name, args.batch_size, device, args.cfg_options
        )
        flops[name] = _count(case)
        memory[name] = _peak_memory(case)
        cases[name] = case
    # One thread on a CPU: its own time, whatever else the machine does.
    is_alone = device == 'cpu' and args.threads == 1
    clock = time.process_time if is_alone else time.perf_counter
    seconds = alternate(
        {name: case.step for name, case in cases.items()},
        args.rounds,
        clock=clock,
    )
    rows = []
    for row in median_rows(seconds, args.yardstick, 'image'):
        per_image = row.value / args.batch_size
        rows.append(row._replace(value=per_image))
        rows.append(Row(f'{row.name}, speed', 1e3 / per_image, 'images/s'))
        gflop = flops[row.name] / args.batch_size / 1e9
        rows.append(Row(f'{row.name}, operations', gflop, 'GFLOP/image'))
        rows += _on_gpu(row.name, gflop / per_image, memory[row.name], args)
    if args.profile:
        _print_profile(cases[names[-1]])
    return rows


def _count(case: TrainCase) -> int:
    with FlopCounterMode(display=False) as counter:
        case.step()
    return counter.get_total_flops()


def _peak_memory(case: TrainCase) -> int:
    if case.device != 'cuda':
        return 0  # find_batch.py measures it, in a separate process
    torch.cuda.reset_peak_memory_stats()
    case.step()
    return torch.cuda.max_memory_allocated()


def _on_gpu(
    name: str, tflops: float, memory: int, args: argparse.Namespace
) -> list[Row]:
    if not memory:
        return []
    rows = [
        Row(f'{name}, achieved', tflops, 'TFLOP/s'),
        Row(f'{name}, memory', memory / args.batch_size / 2**20, 'MiB/image'),
    ]
    if args.peak_tflops:
        share = tflops / args.peak_tflops
        rows.append(Row(f'{name}, share of peak', 100 * share, '%'))
    return rows


def _print_profile(case: TrainCase) -> None:
    activities = [ProfilerActivity.CPU]
    if case.device == 'cuda':
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        case.step()
    table = profiler.key_averages().table(
        sort_by=f'self_{case.device}_time_total', row_limit=10
    )
    print(table)
