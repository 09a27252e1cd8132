"""Measure which precision and how many threads train fastest here.

Runs a few training steps of a config in each, in a process of its own::

    python -m mmsoco.workflow.measure CONFIG.py OUT.json fp32,bf16 2,1
"""

import copy
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch.utils.data import default_collate

import mmsoco.registry  # noqa: F401  (makes the scope known)
from mmsoco.engine.trial_build import build_model
from mmsoco.registry import DATASETS
from mmsoco.utils.files import write_json
from mmsoco.workflow.pretrain_config import set_precision

# The first step of a setting allocates and compiles; of the others the fastest
# counts, since other jobs of the machine can only slow a step down.
WARM_UP, STEPS = 1, 3


def measure(
    cfg: Config, precisions: Sequence[str], threads: Sequence[int]
) -> dict:
    """Time samples and training steps.

    Args:
        cfg: The config of a pretraining.
        precisions: Those to try.
        threads: Numbers of threads to try.

    Returns:
        ``sample_seconds``, what one core needs to load a picture and draw its
        views; ``batch_size``; and ``steps``: for each setting its
        ``precision``, ``threads`` and ``seconds`` of a step.
    """
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        size = cfg.train_dataloader.batch_size
        dataset[0]
        start = time.perf_counter()
        samples = [dataset[i % len(dataset)] for i in range(size)]
        sample_seconds = (time.perf_counter() - start) / size
        batch = default_collate(samples)
        steps = [
            dict(
                precision=precision,
                threads=number,
                seconds=_step_seconds(cfg, batch, precision, number),
            )
            for precision in precisions
            for number in threads
        ]
    return dict(sample_seconds=sample_seconds, batch_size=size, steps=steps)


def _step_seconds(
    cfg: Config, batch: dict, precision: str, threads: int
) -> float:
    cfg = copy.deepcopy(cfg)
    set_precision(cfg, precision)
    torch.set_num_threads(threads)
    model = build_model(cfg)
    model.init_weights()
    model.to(get_device()).train()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    seconds = []
    for _ in range(WARM_UP + STEPS):
        start = time.perf_counter()
        model.train_step(batch, wrapper)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[WARM_UP:])


def main() -> None:
    """Measure what the command line names."""
    config, out, precisions, threads = sys.argv[1:]
    found = measure(
        Config.fromfile(config),
        precisions.split(','),
        [int(number) for number in threads.split(',')],
    )
    write_json(Path(out), found, indent=2)


if __name__ == '__main__':
    main()
