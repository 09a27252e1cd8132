"""Build the parts of a training before its data exist, to find errors.

Making proposals takes long. Errors in the config, such as a misspelled key of
the optimizer, must be reported before.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

from mmsoco.engine.checks import check_training
from mmsoco.engine.explanations import explained_errors
from mmsoco.engine.runner import Runner
from mmsoco.engine.type_checks import check_types
from mmsoco.registry import HOOKS, MODELS, PARAM_SCHEDULERS


def build_parts(cfg: Config) -> nn.Module:
    """Build model, optimizer, schedules, hooks and data of a pretraining.

    Nothing is trained or written, and the data set is built without proposals.

    Args:
        cfg: The config; it is not changed.

    Returns:
        The model, without its initial weights.

    Raises:
        ValueError: If a setting is out of range, or a key fits nothing; the
            message names it.
        TypeError: If a value has a wrong type.
    """
    cfg = copy.deepcopy(cfg)  # Config.copy is shallow
    check_training(cfg.to_dict())
    check_types(cfg)
    scope = DefaultScope.overwrite_default_scope(cfg.default_scope)
    with scope, _quiet(), explained_errors(cfg):
        model = build_model(cfg)
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
        cfg.train_dataloader.dataset.proposals = None
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
        defaults = dict(
            optimizer=optimizer,
            epoch_length=len(loader.dataset),
            end=100,
        )
        schedulers = cfg.param_scheduler
        if not isinstance(schedulers, Sequence):
            schedulers = [schedulers]
        for scheduler in schedulers:
            PARAM_SCHEDULERS.build(scheduler, default_args=defaults)
        hooks = [*cfg.default_hooks.values(), *cfg.get('custom_hooks', [])]
        for hook in hooks:
            if hook is not None:  # a default hook that is left out
                HOOKS.build(hook)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence mmengine's log, which the training itself will repeat.

    The optimizer warns about each parameter of the target network.
    """
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel('ERROR')
    try:
        yield
    finally:
        logger.setLevel(before)


def build_model(cfg: Config) -> nn.Module:
    """Build the model with its preprocessor, as the runner does."""
    model = dict(cfg.model)
    model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    return MODELS.build(model)
