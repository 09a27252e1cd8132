"""What drives the training: runner, optimizers, schedules and hooks."""

from .loops import SampleBudgetTrainLoop
from .runner import Runner, latest_checkpoint

__all__ = ['Runner', 'SampleBudgetTrainLoop', 'latest_checkpoint']
