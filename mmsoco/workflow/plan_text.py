"""Say what a planned pretraining does, and how long it takes."""

from pathlib import Path

import torch

from mmsoco.checkpoints.load_report import LoadReport
from mmsoco.utils.durations import describe_time
from mmsoco.utils.machine import available_cores
from mmsoco.workflow.pretrain_config import (
    LARGE,
    SMALL,
    Plan,
    pictures_of_epoch,
)
from mmsoco.workflow.settings import LEAST_STEPS, counted

# Floating point operations of a step: Mask R-CNN R50-FPN against the small
# R18-FPN in the small recipe (`tools/analysis_tools/get_flops.py`: 57.0 and
# 4.8 GFLOP per picture).
LARGE_TO_SMALL = 12.0


def speed_of(plan: Plan) -> float:
    """Return the pictures per second that were measured for a plan."""
    assert plan.images_per_s is not None  # a run measures before it plans
    return plan.images_per_s


def describe_plan(plan: Plan, devices: int, has_gpu: bool) -> str:
    """Describe a plan in a line.

    Args:
        plan: The plan of a run.
        devices: Number of GPUs, or of processes on a machine without one.
        has_gpu: Whether the devices are GPUs.
    """
    if has_gpu:
        where = f'{devices} x {torch.cuda.get_device_name()}'
    else:
        where = f'CPU, {available_cores()} cores'
    return (
        f'{where}, {plan.precision}, {plan.detector}, views of '
        f'{plan.view_size}, {counted(plan.epochs, "epoch")} of '
        f'{counted(plan.steps_per_epoch, "step")}, about '
        f'{describe_time(_seconds(plan, devices))} (measured)'
    )


def describe_other_detector(plan: Plan, devices: int, has_gpu: bool) -> str:
    """Describe the cost of the other default detector; see `describe_plan`."""
    seconds = _seconds(plan, devices)
    if has_gpu:
        cost = describe_time(seconds / LARGE_TO_SMALL)
        return (
            f'the default on a GPU; --detector mmsoco::{SMALL[1]} would take '
            f'about {cost}'
        )
    cost = describe_time(seconds * LARGE_TO_SMALL)
    return (
        'the default on a CPU; Mask R-CNN R50-FPN (--detector '
        f'mmsoco::{LARGE[1]}) would take about {cost}'
    )


def describe_shortness(plan: Plan) -> str | None:
    """Say that a run is too short to learn much; None if it is not."""
    if plan.steps >= LEAST_STEPS:
        return None
    epochs = -(-LEAST_STEPS // plan.steps_per_epoch)
    return (
        f'too short to learn much ({counted(plan.steps, "step")}): below '
        f'{LEAST_STEPS} steps our features were no better than untrained '
        f'ones; --epochs {epochs} runs that many'
    )


def describe_start(report: LoadReport) -> str:
    """Summarize the loading of the start's weights in a line."""
    name = Path(report.source).name
    return f'{name}: {report.summary()}, copied to the target'


def _seconds(plan: Plan, devices: int) -> float:
    """Return how long the whole training takes."""
    pictures = plan.epochs * pictures_of_epoch(plan, devices)
    return pictures / speed_of(plan)
