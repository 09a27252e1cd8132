"""Run trainings: runner, optimizers, schedules and hooks."""

from .loops import SampleBudgetTrainLoop
from .runner import Runner

__all__ = ['Runner', 'SampleBudgetTrainLoop']
