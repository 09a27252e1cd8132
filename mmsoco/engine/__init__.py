"""What drives the training: runner, optimizers, schedules and hooks."""

from .runner import Runner, latest_checkpoint

__all__ = ['Runner', 'latest_checkpoint']
