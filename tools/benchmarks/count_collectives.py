"""Count the collectives of one distributed pretraining step.

    python tools/benchmarks/count_collectives.py CONFIG

One step on the CPU shows how often each batch norm runs. Synchronized, a run
gathers the statistics of all ranks, and its backward pass reduces two sums;
the target network has no backward pass, nor has a feature map that no box is
pooled from. Gradients are reduced in buckets of 25 MiB, and the ranks agree
once about the levels that boxes use.
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmsoco.cli.common import add_cfg_options
from mmsoco.cli.errors import run_script
from mmsoco.config.reading import read_config
from mmsoco.datasets.random_batch import random_batch, view_sizes
from mmsoco.registry import MODELS

# DistributedDataParallel's default.
BUCKET_BYTES = 25 * 2**20


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', type=Path, help='pretraining config')
    add_cfg_options(parser)
    return parser.parse_args(argv)


def count_norm_runs(model: nn.Module, batch: dict) -> Counter[str]:
    """Count how often the batch norms of both networks run in a step.

    Args:
        model: A `SoCo`.
        batch: Its inputs.

    Returns:
        Runs of ``online``, ``target`` and ``backward``.
    """
    runs: Counter[str] = Counter()

    def count(network: str, output: Tensor) -> None:
        runs[network] += 1
        if output.requires_grad:
            output.register_hook(lambda _: runs.update(['backward']))

    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm):
            network = 'target' if name.startswith('target.') else 'online'
            module.register_forward_hook(
                lambda _, inputs, output, of=network: count(of, output)
            )
    losses = model.train()(**batch, mode='loss')
    sum(v for k, v in losses.items() if k.startswith('loss')).backward()
    return runs


def count_collectives(model: nn.Module, batch: dict) -> dict[str, int]:
    """Count the collectives of one step.

    Args:
        model: A `SoCo`.
        batch: Its inputs.

    Returns:
        Counts by kind.
    """
    runs = count_norm_runs(model, batch)
    trained = [p for p in model.parameters() if p.requires_grad]
    size = sum(p.numel() * p.element_size() for p in trained)
    return {
        'gathered statistics, online': runs['online'],
        'gathered statistics, target': runs['target'],
        'reduced statistics, backward': runs['backward'],
        'reduced gradient buckets': math.ceil(size / BUCKET_BYTES),
        'agreed levels': 1,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Print the counts."""
    args = parse_args(argv)
    init_default_scope('mmsoco')
    cfg = read_config(args.config, args.cfg_options)
    model = MODELS.build(cfg.model)
    batch = random_batch(
        cfg.model.pairs,
        view_sizes(cfg),
        num_images=8,
        pretext_views=model.pretext_views,
    )
    counts = count_collectives(model, batch)
    for name, count in dict(counts, total=sum(counts.values())).items():
        print(f'{name:<30}{count:>6}')


if __name__ == '__main__':
    sys.exit(run_script(main))
