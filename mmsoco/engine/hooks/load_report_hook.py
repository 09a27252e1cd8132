"""Report which weights arrived from a checkpoint; stop if a part is lost."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import Tensor, nn

from mmsoco.checkpoints.init_report import pretrained_reports
from mmsoco.checkpoints.io import check_content, weights_of
from mmsoco.checkpoints.layouts import guess_layout
from mmsoco.checkpoints.load_report import (
    LoadReport,
    classes_of,
    compare,
    depends_on_classes,
    part_of,
    preview,
    write_reports,
)
from mmsoco.engine.hooks.input_convention_hook import convention_of
from mmsoco.registry import HOOKS

_CLASSES_REMEDY = (
    'its detections would count for these. Set metainfo.classes of '
    'test_dataloader.dataset to its classes, in its order.'
)


@HOOKS.register_module()
class LoadReportHook(Hook):
    """Compare a model with the file that it was loaded from.

    mmengine loads what fits by name and shape and only warns of the rest.
    This hook takes the weights out of a file's layout (``state_dict`` or
    ``model``), stops the run if a part that the file has does not arrive
    whole, or if a model that is to be evaluated has parts that the file
    lacks or other classes than it, and, when everything is loaded, compares
    tensor by tensor. It prints a table per part and writes `load_report.json`
    next to the log.

    It watches every way by which weights enter a run: ``load_from``, the
    checkpoint of an evaluation, ``SoCo(init=...)``, and ``init_cfg`` of the
    type Pretrained. A pretraining run whose ``load_from`` names a detector or
    a backbone starts from it, as with ``init``. The hook says nothing when a
    run is resumed.

    In a config of any scope: ``custom_hooks =
    [dict(type='mmsoco.LoadReportHook')]``.

    Args:
        may_be_new: Layers (starts of tensor names, such as
            ``neck.fpn_convs.4``) that may start afresh though the file has
            others of their part.
        parts: Parts of a detector, such as ``backbone``, that a training
            takes from ``load_from``; the others start afresh. None takes all.
    """

    # Before hooks that copy the weights, such as averaged models.
    priority = 'VERY_HIGH'

    def __init__(
        self,
        may_be_new: Sequence[str] = (),
        parts: Sequence[str] | None = None,
    ) -> None:
        self.may_be_new = tuple(may_be_new)
        self.parts = parts
        self._offered: Mapping[str, Tensor] | None = None
        self._reports: list[LoadReport] = []

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare checkpoint and model before the weights are copied.

        See Hook.after_load_checkpoint.

        Raises:
            ValueError: If the file has no weights or some that are not finite,
                or lacks one of `parts`; if a part of it does not fit the model
                or is incomplete; or if a part of an evaluated model gets no
                weights, or those of other classes.
        """
        if runner._resume:
            return
        source, model = runner._load_from, _unwrapped(runner.model)
        check_content(checkpoint, source)
        state = weights_of(checkpoint, source)
        if hasattr(model, 'start_from') and guess_layout(state) != 'mmsoco':
            report = model.start_from(checkpoint, source)
            report.door = 'load_from'
            self._reports.append(report)
            checkpoint['state_dict'] = model.state_dict()
            return
        is_training = isinstance(runner._train_loop, BaseLoop)
        if is_training and self.parts is not None:
            state = _chosen(state, self.parts, source)
        report = compare(state, model.state_dict(), source=str(source))
        arrives = any(part.loaded for part in report.parts.values())
        if arrives and not is_training:
            _check_evaluated(report, source)
        other = _other_classes(checkpoint.get('meta'), report, runner)
        if other and not is_training:
            raise ValueError(f'{source} {other}; {_CLASSES_REMEDY}')
        if other:
            runner.logger.warning(f'{source} {other}: they are learned anew.')
        report.check(self.may_be_new)
        checkpoint['state_dict'] = _completed(state, model, report)
        self._offered = state

    def before_train(self, runner: Runner) -> None:
        """Compare the model's tensors with the file's, by value.

        See Hook.before_train.

        Raises:
            ValueError: If the model does not hold what a file offered.
        """
        model = _unwrapped(runner.model)
        if not runner._resume and runner._load_from is None:
            self._reports += getattr(model, 'start_reports', [])
            self._reports += pretrained_reports(
                model, self.may_be_new, convention_of(runner)
            )
        self._finish(runner, 'load_from')

    def before_val(self, runner: Runner) -> None:
        """Compare the tensors; see `before_train`."""
        self._finish(runner, 'evaluation')

    def before_test(self, runner: Runner) -> None:
        """Compare the tensors; see `before_train`."""
        self._finish(runner, 'evaluation')

    def _finish(self, runner: Runner, door: str) -> None:
        offered, self._offered = self._offered, None
        if offered is not None:
            self._reports.append(self._verify(offered, runner, door))
        if self._reports and is_main_process():
            write_reports(self._reports, runner.log_dir)
        self._reports = []

    def _verify(
        self, offered: Mapping[str, Tensor], runner: Runner, door: str
    ) -> LoadReport:
        report = compare(
            offered,
            _unwrapped(runner.model).state_dict(),
            by_value=True,
            source=str(runner._load_from),
            door=door,
        )
        runner.logger.info(
            f'Tensors by part, from {report.source}:\n{report.table()}'
        )
        report.check(self.may_be_new)
        return report


def _unwrapped(model: nn.Module) -> nn.Module:
    """Return the model that mmengine loads weights into."""
    is_wrapper = is_model_wrapper(model) or isinstance(model, BaseTTAModel)
    return model.module if is_wrapper else model


def _chosen(
    state: Mapping[str, Tensor], parts: Sequence[str], source: str
) -> dict[str, Tensor]:
    """Return the tensors of the wanted parts."""
    there = {part_of(name) for name in state}
    missing = set(parts) - there
    if missing or not parts:
        raise ValueError(
            f'expected some of the parts {", ".join(sorted(there))} of '
            f'{source} as parts of the LoadReportHook, got {list(parts)}'
        )
    return {n: t for n, t in state.items() if part_of(n) in parts}


def _completed(
    state: Mapping[str, Tensor], model: nn.Module, report: LoadReport
) -> dict[str, Tensor]:
    """Return the model's state dict with the file's tensors that fit."""
    whole = model.state_dict()
    unfit = {name for p in report.parts.values() for name in p.mismatched}
    for name, tensor in state.items():
        if name in whole and name not in unfit:
            whole[name] = tensor
    return whole


def _other_classes(
    meta: Any, report: LoadReport, runner: Runner
) -> str | None:
    """Say which classes a file has, if they are not those of the data."""
    loops = (runner._train_loop, runner._test_loop, runner._val_loop)
    datasets = [
        loop.dataloader.dataset for loop in loops if isinstance(loop, BaseLoop)
    ]
    wanted = getattr(datasets[0], 'metainfo', {}).get('classes')
    theirs = classes_of(meta)
    loaded = chain(*(part.loaded for part in report.parts.values()))
    arrives = any(map(depends_on_classes, loaded))
    if not (theirs and wanted and arrives) or theirs == tuple(wanted):
        return None
    return (
        f'was trained on the classes {preview(theirs)}, but the data set '
        f'has {preview(wanted)}'
    )


def _check_evaluated(report: LoadReport, path: str) -> None:
    """Stop an evaluation of weights that were never trained."""
    untrained = [
        name
        for name, part in report.parts.items()
        if part.new or part.mismatched
    ]
    if untrained:
        raise ValueError(
            f'{path} is not a whole detector: it lacks weights of '
            f'{", ".join(untrained)}, which would be evaluated untrained. '
            'Fine-tune it first (`mmsoco train` with load_from), and evaluate '
            "the fine-tuning run's checkpoint with the config of that run."
        )
