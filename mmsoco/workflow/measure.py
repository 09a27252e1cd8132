"""Measure which precision and how many threads train fastest here.

It runs a few training steps of a config with each setting, in a separate
process::

    python -m mmsoco.workflow.measure CONFIG.py OUT.json fp32,bf16 2,1
"""

import copy
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch.utils.data import default_collate

import mmsoco.registry  # noqa: F401  (makes the scope known)
from mmsoco.config.reading import set_precision
from mmsoco.engine.trial_build import build_model
from mmsoco.registry import DATASETS
from mmsoco.utils.files import write_json
from mmsoco.utils.machine import available_cores

# The first step of a setting allocates and compiles; of the others, the
# fastest counts, since other jobs can only slow a step down.
WARM_UP, STEPS = 1, 3
# With other jobs running, a step can take a hundred times as long as on an
# idle machine. After this time, no further setting is tried.
MOST_SECONDS = 60.0
# On an idle machine, the steps of a setting differ by a few percent.
DISTURBED = 1.5
# bf16 must be worth its coarser numbers.
_GAIN_OF_BF16 = 1.05


def measure(
    cfg: Config, precisions: Sequence[str], threads: Sequence[int]
) -> dict:
    """Time samples and training steps.

    Args:
        cfg: The config of a pretraining.
        precisions: Precisions to try.
        threads: Numbers of threads to try. Fewer threads are tried first,
            because they are least affected by other jobs.

    Returns:
        ``sample_seconds``, the time of one core to load a picture and draw its
        views; ``batch_size``; and ``steps``: for each setting that was tried
        within `MOST_SECONDS` its ``precision``, ``threads``, and ``seconds``
        and ``slowest``, the seconds of its fastest and its slowest step.
    """
    deadline = time.monotonic() + MOST_SECONDS
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        size = cfg.train_dataloader.batch_size
        dataset[0]
        start = time.perf_counter()
        samples = [dataset[i % len(dataset)] for i in range(size)]
        sample_seconds = (time.perf_counter() - start) / size
        batch = default_collate(samples)
        steps: list[dict] = []
        for number, precision in itertools.product(
            sorted(threads), precisions
        ):
            if steps and time.monotonic() > deadline:
                break
            seconds = _step_seconds(cfg, batch, precision, number, deadline)
            steps.append(
                dict(
                    precision=precision,
                    threads=number,
                    seconds=min(seconds),
                    slowest=max(seconds),
                )
            )
    return dict(sample_seconds=sample_seconds, batch_size=size, steps=steps)


def _step_seconds(
    cfg: Config, batch: dict, precision: str, threads: int, deadline: float
) -> list[float]:
    cfg = copy.deepcopy(cfg)
    set_precision(cfg, precision)
    torch.set_num_threads(threads)
    model = build_model(cfg)
    model.init_weights()
    model.to(get_device()).train()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    seconds = []
    for number in range(WARM_UP + STEPS):
        if number > WARM_UP and time.monotonic() > deadline:
            break
        start = time.perf_counter()
        model.train_step(batch, wrapper)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP:]


def describe_disturbance(
    steps: Sequence[Mapping[str, Any]], settings: int
) -> str | None:
    """Say that other jobs disturbed the measurement; None if none did.

    Args:
        steps: What `measure` returns as ``steps``.
        settings: Number of settings that it was to try.
    """
    worst = max(steps, key=lambda step: step['slowest'] / step['seconds'])
    if worst['slowest'] > DISTURBED * worst['seconds']:
        signs = (
            f'steps of one setting took {worst["seconds"]:.2g} to '
            f'{worst["slowest"]:.2g} s'
        )
    elif len(steps) < settings:
        signs = (
            f'only {len(steps)} of {settings} settings could be tried in '
            f'{MOST_SECONDS:.0f} s'
        )
    else:
        return None
    return (
        f'the machine is busy ({signs}): the time may be wrong, and so may '
        'the choice of precision; set it with --precision'
    )


def fastest(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Choose precision and threads from the seconds of a step.

    bf16 is chosen only if it is clearly faster, see `_GAIN_OF_BF16`.

    Args:
        steps: Dicts with ``precision``, ``threads`` and ``seconds``.
    """

    def cost(step: Mapping[str, Any]) -> float:
        """Return the seconds of a step, with the price of bf16 on top."""
        gain = 1.0 if step['precision'] == 'fp32' else _GAIN_OF_BF16
        return step['seconds'] * gain

    best = min(steps, key=cost)
    return dict(best)


def images_per_second(
    measured: Mapping[str, Any], workers: int, devices: int, has_gpu: bool
) -> float:
    """Estimate the speed of a training.

    On a CPU, loading pictures shares the cores with the training; with a GPU,
    the slower of the two decides.

    Args:
        measured: ``seconds`` of a step, ``sample_seconds`` and
            ``batch_size``.
        workers: Processes that load pictures, per device.
        devices: Number of devices.
        has_gpu: Whether these are GPUs.
    """
    size = measured['batch_size']
    loading = size * measured['sample_seconds']
    if has_gpu:
        seconds = max(measured['seconds'], loading / max(workers, 1))
    else:
        cores = available_cores() / devices
        seconds = measured['seconds'] + loading / max(cores, 1)
    return devices * size / seconds


def main() -> None:
    """Run the measurement with the arguments of the command line."""
    config, out, precisions, threads = sys.argv[1:]
    found = measure(
        Config.fromfile(config),
        precisions.split(','),
        [int(number) for number in threads.split(',')],
    )
    write_json(Path(out), found, indent=2)


if __name__ == '__main__':
    main()
