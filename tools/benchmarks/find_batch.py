"""Find the largest batch of a config whose training step fits into memory.

Examples::

    python tools/benchmarks/find_batch.py CONFIG
    python tools/benchmarks/find_batch.py CONFIG --variant
        assigned+channels_last+bf16+recompute --limit 40

Two small steps in separate processes give the memory of an image and of
everything else; the batch that should fit is then tried, and made smaller
while it does not.
"""

import argparse
import multiprocessing
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from train_case import TrainCase

from mmsoco.cli.common import add_cfg_options
from mmsoco.cli.errors import run_script

# Of the predicted batch; the allocator's gaps grow with the batch.
MARGIN = 0.95
PROBES = (2, 6)


class Need(NamedTuple):
    """Memory of a step: ``fixed + batch size * per_image`` bytes."""

    fixed: float
    per_image: float


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', type=Path, help='pretraining config')
    parser.add_argument(
        '--variant', default='all', help='as in speed.py step --variants'
    )
    parser.add_argument(
        '--limit', type=float, help="GiB; default: the device's free memory"
    )
    parser.add_argument(
        '--no-trial',
        action='store_true',
        help='predict from the two small steps alone',
    )
    add_cfg_options(parser)
    return parser.parse_args(argv)


def peak_memory(
    config: Path, variant: str, batch_size: int, cfg_options: dict[str, Any]
) -> int | None:
    """Make two steps in a fresh process.

    Args:
        config: A pretraining config.
        variant: See `TrainCase`.
        batch_size: Images.
        cfg_options: Settings that replace those of the config.

    Returns:
        Peak bytes, of the GPU if there is one, else of the process; None if
        they did not suffice.
    """
    context = multiprocessing.get_context('spawn')
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_probe, args=(sender, config, variant, batch_size, cfg_options)
    )
    process.start()
    sender.close()
    try:
        result = receiver.recv()
    except EOFError:  # killed because memory ran out
        result = None
    process.join()
    if isinstance(result, Exception):
        raise result
    return result


def _probe(sender: Any, *args: Any) -> None:
    try:
        sender.send(_run_steps(*args))
    except torch.OutOfMemoryError:
        sender.send(None)
    except Exception as error:
        sender.send(error)


def _run_steps(
    config: Path, variant: str, batch_size: int, cfg_options: dict[str, Any]
) -> int:
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    case = TrainCase(config, variant, batch_size, device, cfg_options)
    for _ in range(2):  # the optimizer's memory comes with the first step
        case.step()
    if device == 'cuda':
        return torch.cuda.max_memory_reserved()
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fit_line(batches: tuple[int, int], peaks: tuple[int, int]) -> Need:
    """Separate the memory of an image from that of everything else.

    Args:
        batches: Two batch sizes.
        peaks: Peak bytes at them.
    """
    per_image = (peaks[1] - peaks[0]) / (batches[1] - batches[0])
    return Need(peaks[0] - batches[0] * per_image, per_image)


def largest_batch(need: Need, limit: float) -> int:
    """Give the batch that should fit, with a margin; 0 if none does.

    Args:
        need: Memory of a step.
        limit: Available bytes.
    """
    return max(int((MARGIN * limit - need.fixed) / need.per_image), 0)


def free_memory() -> int:
    """Return the free bytes of the GPU, or of the machine without one."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    lines = Path('/proc/meminfo').read_text().splitlines()
    [available] = [x for x in lines if x.startswith('MemAvailable')]
    return 1024 * int(available.split()[1])


def main(argv: Sequence[str] | None = None) -> None:
    """Probe, predict and try."""
    args = parse_args(argv)
    job = (args.config, args.variant)
    limit = args.limit * 2**30 if args.limit else free_memory()
    peaks = [peak_memory(*job, size, args.cfg_options) for size in PROBES]
    if None in peaks:
        raise SystemExit(f'error: not even {max(PROBES)} images fit')
    need = fit_line(PROBES, (peaks[0], peaks[1]))
    print(f'per image  {need.per_image / 2**20:10.0f} MiB')
    print(f'fixed      {need.fixed / 2**20:10.0f} MiB')
    print(f'limit      {limit / 2**20:10.0f} MiB')
    batch = largest_batch(need, limit)
    while batch and not args.no_trial:
        peak = peak_memory(*job, batch, args.cfg_options)
        if peak is not None and peak <= limit:
            break
        batch = int(batch * 0.9)
    print(f'batch      {batch:10d} images')


if __name__ == '__main__':
    sys.exit(run_script(main))
