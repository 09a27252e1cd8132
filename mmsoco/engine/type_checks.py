"""Refuse unknown types and misspelled keys before anything is built."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from mmdet.registry import TASK_UTILS
from mmengine.config import Config
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import FUNCTIONS, Registry
from mmengine.runner import Priority, get_priority

from mmsoco.config.keys import value_at, walk
from mmsoco.config.reads import FOUNDATIONS
from mmsoco.engine.argument_types import check_types_of_arguments
from mmsoco.engine.plain_dicts import check_read, check_settings_of_detector
from mmsoco.engine.signatures import OPEN_ENDED, arguments_of, names_in, takes
from mmsoco.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOG_PROCESSORS,
    LOOPS,
    MODEL_WRAPPERS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    RUNNERS,
    VISBACKENDS,
    VISUALIZERS,
)
from mmsoco.utils.names import near

# "intervall" for "interval", but not "by_epoch" for "epoch".
_ALIKE = 0.85
# Packages whose types are looked up before anything is built.
_SCOPES = ('mmsoco', 'mmdet')
# Packages whose hooks pass all of their ``**kwargs`` to their bases.
_OWN_HOOKS = ('mmsoco', 'mmengine')
# Where the main parts are in a config; * is any key.
_PLACES = {
    'model': MODELS,
    'model.backbone': MODELS,
    'model.detector': MODELS,
    'model.detector.backbone': MODELS,
    'model.detector.neck': MODELS,
    'model.detector.rpn_head': MODELS,
    'model.detector.bbox_head': MODELS,
    'model.detector.roi_head': MODELS,
    'model.detector.roi_head.bbox_head': MODELS,
    'model.detector.roi_head.mask_head': MODELS,
    **{
        f'{split}_dataloader.{part}': registry
        for split in ('train', 'val', 'test')
        for part, registry in (
            ('dataset', DATASETS),
            ('sampler', DATA_SAMPLERS),
            ('batch_sampler', DATA_SAMPLERS),
            ('collate_fn', FUNCTIONS),
            ('worker_init_fn', FUNCTIONS),
        )
    },
    **{f'{split}_cfg': LOOPS for split in ('train', 'val', 'test')},
    'optim_wrapper': OPTIM_WRAPPERS,
    'optim_wrapper.optimizer': OPTIMIZERS,
    'param_scheduler': PARAM_SCHEDULERS,
    'param_scheduler.*': PARAM_SCHEDULERS,
    'default_hooks.*': HOOKS,
    'custom_hooks.*': HOOKS,
    'log_processor': LOG_PROCESSORS,
    'visualizer': VISUALIZERS,
    'visualizer.vis_backends.*': VISBACKENDS,
    'model_wrapper_cfg': MODEL_WRAPPERS,
}
# Types of parts that need not name theirs.
_DEFAULT_TYPES = {
    'log_processor': 'LogProcessor',
    'visualizer': 'Visualizer',
    # What mmsoco's runner adds.
    'default_hooks.finite': 'FiniteHook',
    'default_hooks.load_report': 'LoadReportHook',
    'default_hooks.input_convention': 'InputConventionHook',
}
# Registries of parts whose annotations are exact enough, unlike those of a
# model's parts.
_TYPED = (
    DATASETS, DATA_SAMPLERS, HOOKS, LOG_PROCESSORS, LOOPS, OPTIMIZERS,
    PARAM_SCHEDULERS, VISBACKENDS, VISUALIZERS,
)  # fmt: skip


def check_types(cfg: Config) -> None:
    """Refuse unknown types of the main parts before anything is built.

    Args:
        cfg: The config.

    Raises:
        ValueError: The first such type; the message names its key.
    """
    scope = cfg.get('default_scope', 'mmsoco')
    _check_scope(scope)
    if scope not in _SCOPES:
        return  # the types of another package are not looked up here
    for key, registry in (
        ('runner_type', RUNNERS),
        ('optim_wrapper.constructor', OPTIM_WRAPPER_CONSTRUCTORS),
    ):
        kind = value_at(cfg, key)
        if isinstance(kind, str) and registry.get(kind) is None:
            raise ValueError(
                f'unknown type {kind!r} in {key}'
                f'{near(kind, names_in(registry))}'
            )
    for place, node, registry in _main_parts(cfg):
        if isinstance(node, Mapping) and not _is_foreign(cfg, place):
            _check_type(place, node, registry)
            has_type = 'type' in node or place in _DEFAULT_TYPES
            if registry is HOOKS and not has_type:
                raise ValueError(
                    f'{place} has no type: expected dict(type=..., ...), got '
                    f'{dict(node)}'
                )
    _check_parts_of_model(cfg)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for place, node in walk(loader, cfg.get(loader)):
            built = _class_of(node, DATASETS)
            if inspect.isclass(built) and isinstance(
                node.get('filter_cfg'), dict
            ):
                check_read(f'{place}.filter_cfg', node['filter_cfg'], [built])


def _check_scope(scope: str) -> None:
    """Refuse a scope that is neither a package nor that of a registry."""
    root: Registry = MODELS
    while root.parent is not None:
        root = root.parent
    known = {root.scope, *root.children}
    for child in root.children.values():
        known.update(child.children)
    is_package = scope.isidentifier() and find_spec(scope) is not None
    if scope not in known and not is_package:
        raise ValueError(
            f'default_scope is {scope!r}, which is not an installed package'
            f'{near(scope, known)}'
        )


def _main_parts(cfg: Config) -> Iterator[tuple[str, Any, Registry]]:
    """Yield the main parts of a config with their keys and registries."""
    for pattern, registry in _PLACES.items():
        nodes: list[tuple[str, Any]] = [('', cfg)]
        for key in pattern.split('.'):
            nodes = [
                (f'{place}.{name}'.lstrip('.'), part)
                for place, node in nodes
                for name, part in _entries(node)
                if key in ('*', name)
            ]
        for place, node in nodes:
            yield place, node, registry


def _entries(node: Any) -> Iterable[tuple[Any, Any]]:
    """Return the entries of a dict or list with their keys."""
    if isinstance(node, (Mapping, Config)):
        return node.items()
    return enumerate(node) if isinstance(node, (list, tuple)) else ()


def _check_parts_of_model(cfg: Config) -> None:
    """Refuse misspelled keys of all parts, even those that are not built."""
    for place, node in walk('model', cfg.get('model')):
        if not isinstance(node, Mapping) or _is_foreign(cfg, place):
            continue
        built = _class_of(node, MODELS) or _class_of(node, TASK_UTILS)
        if built is not None:  # else a part of another registry
            _check_typos(place, node, built)
            _check_arguments(place, node, built)
        if 'train_cfg' in node or 'test_cfg' in node:
            check_settings_of_detector(place, node)


def _class_of(node: Any, registry: Registry) -> Callable | None:
    """Return the class that a dict names in a registry, if any."""
    kind = node.get('type') if isinstance(node, Mapping) else None
    return registry.get(kind) if isinstance(kind, str) else kind


def _is_foreign(cfg: Mapping, place: str) -> bool:
    """Return whether ``_scope_`` assigns a part to another package."""
    node: Any = cfg
    for key in place.split('.'):
        node = node[int(key)] if isinstance(node, Sequence) else node.get(key)
        scoped = isinstance(node, Mapping) and node.get('_scope_')
        if scoped and scoped not in _SCOPES:
            return True
        if node is None:
            return False
    return False


def _check_type(place: str, node: Mapping, registry: Registry) -> None:
    """Refuse an unknown type, and a typo that ``**kwargs`` would swallow."""
    kind = node.get('type', _DEFAULT_TYPES.get(place))
    if kind is None:
        return
    if not isinstance(kind, str) and not callable(kind):
        raise ValueError(
            f'{place}.type expects the name of a class, got {kind!r}'
        )
    built = registry.get(kind) if isinstance(kind, str) else kind
    if built is None:
        raise ValueError(
            f'unknown type {kind!r} in {place}.type'
            f'{near(kind, names_in(registry))}'
        )
    if place.endswith('.sampler') and not takes(built, 'dataset'):
        raise ValueError(
            f'{place}.type is {kind!r}, which does not take the dataset that '
            'mmengine gives: expected one of its samplers, such as '
            'DefaultSampler'
        )
    _check_typos(place, node, built)
    if registry is HOOKS:  # builders of other parts remove keys first
        _check_arguments(place, node, built)
        _check_priority(place, node)
    if registry in _TYPED:
        fractions = registry is PARAM_SCHEDULERS
        check_types_of_arguments(place, node, built, fractions)


def _check_priority(place: str, node: Mapping) -> None:
    """Refuse a priority that is neither a name nor a number of 0 to 100."""
    value = node.get('priority', Priority.NORMAL)
    try:
        get_priority(value)
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f'{place}.priority expects a number of 0 (first) to 100, or one '
            f'of {", ".join(Priority.__members__)}, but got {value!r}'
        ) from None


def _check_typos(place: str, node: Mapping, built: Callable) -> None:
    """Refuse a key that looks like a misspelled argument.

    The correct argument may be given too, by a base config, if the command
    line misspells it.
    """
    makers = [of.__init__ for of in getattr(built, '__mro__', ())]
    if any(hasattr(maker, '__wrapped__') for maker in makers):
        return  # some of mmcv's layers also accept old names of arguments
    known = arguments_of(built, getattr(built, '__name__', ''))
    meant = {*known, 'type'}
    for key in set(node) - meant - {'_scope_'}:
        if difflib.get_close_matches(key, meant, 1, _ALIKE):
            raise ValueError(
                f'unknown key {place}.{key}{near(key, meant)} '
                f'({built.__name__} takes {", ".join(known)})'
            )


def _check_arguments(place: str, node: Mapping, built: Callable) -> None:
    """Refuse a key that a constructor cannot take.

    Pretraining does not build all parts of a detector: the constructors of the
    others would fail only in fine-tuning. Layers and losses are skipped,
    because their builders remove keys first. A wrong key in the ``**kwargs``
    of CheckpointHook would stop the run only at the first checkpoint.
    """
    is_loss = place.rpartition('.')[2].startswith('loss')
    if is_loss or not inspect.isclass(built):
        return
    package = built.__module__.partition('.')[0]
    maker = built.__init__
    parameters: Mapping[str, inspect.Parameter]
    parameters = inspect.signature(maker).parameters
    if maker is object.__init__:
        parameters = {}
    open_ended = any(p.kind in OPEN_ENDED for p in parameters.values())
    saves = package in _OWN_HOOKS and issubclass(built, CheckpointHook)
    if (
        (package in FOUNDATIONS and not issubclass(built, Hook))
        or hasattr(maker, '__wrapped__')
        or (open_ended and not saves)
    ):
        return
    known = arguments_of(built, built.__name__)
    for key in set(node) - {*known, 'type', '_scope_', 'priority'}:
        raise ValueError(
            f'unknown key {place}.{key}{near(key, known)} '
            f'({built.__name__} takes {", ".join(known) or "no arguments"})'
        )
