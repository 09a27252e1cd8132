"""Reports what a checkpoint brought, and stops where a part got lost."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner

from mmsoco.checkpoints.io import state_dict_of
from mmsoco.checkpoints.load_report import LoadReport, compare
from mmsoco.registry import HOOKS


@HOOKS.register_module()
class LoadReportHook(Hook):
    """Prints a table per part of a model that is loaded by ``load_from``.

    mmengine loads what fits by name and shape and only warns of the rest.
    This hook stops the run, if a part that the checkpoint has does not
    arrive whole, or if a model that is to be evaluated has parts that the
    checkpoint lacks. It says nothing when a run is resumed.

    In a config of any scope: ``custom_hooks =
    [dict(type='mmsoco.LoadReportHook')]``.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares checkpoint and model before the weights are copied.

        Args:
            runner: the runner.
            checkpoint: what the file holds.

        Raises:
            ValueError: the file has no weights, a part of them has no place
                in the model, or a part of an evaluated model got none.
        """
        if runner._resume:
            return
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        report = compare(
            state_dict_of(checkpoint, runner._load_from), model.state_dict()
        )
        runner.logger.info(
            f'Tensors by part, from {runner._load_from}:\n{report.table()}'
        )
        report.check()
        if not isinstance(runner._train_loop, BaseLoop):
            _check_evaluated(report, runner._load_from)


def _check_evaluated(report: LoadReport, path: str) -> None:
    """Stops an evaluation of weights that were never trained."""
    untrained = [name for name, part in report.parts.items() if part.new]
    if untrained:
        raise ValueError(
            f'{path} is no whole detector: it lacks weights of '
            f'{", ".join(untrained)}, which would be evaluated untrained. '
            'Fine-tune it first (tools/train.py with load_from), and evaluate '
            "the fine-tuning run's checkpoint."
        )
