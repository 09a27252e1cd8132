"""Run a config, with messages that name the config's keys."""

import difflib
import inspect
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from types import TracebackType
from typing import Any

from mmdet.registry import TASK_UTILS
from mmengine.config import Config
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import FUNCTIONS, Registry
from mmengine.runner import Priority, get_priority

from mmsoco.config.keys import RUN_KEYS, walk
from mmsoco.config.reads import FOUNDATIONS
from mmsoco.engine.argument_types import check_types_of_arguments
from mmsoco.engine.plain_dicts import check_read, check_settings_of_detector
from mmsoco.engine.values import value_at
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

_UNEXPECTED = re.compile(
    r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'"
)
_MISSING = re.compile(
    r'(\w+)\.__init__\(\) missing \d+ required \S+ arguments?: (.+)'
)
_UNKNOWN_TYPE = re.compile(r'(\S+) is not in the .+ registry')
_OPEN_ENDED = (
    inspect.Parameter.VAR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)
# "intervall" for "interval", but not "by_epoch" for "epoch".
_ALIKE = 0.85
_PLAIN = bool | int | float | str
_NO_TYPE = 'must contain the key "type"'
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
# Packages whose types are looked up before anything is built.
_SCOPES = ('mmsoco', 'mmdet')
# Packages whose hooks hand all of their ``**kwargs`` on to their bases.
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
# Of parts that need not name theirs.
_DEFAULT_TYPES = {'log_processor': 'LogProcessor', 'visualizer': 'Visualizer'}
# Registries of parts that run the training. Annotations of a model's parts
# are not as exact.
_TYPED = (
    DATASETS, DATA_SAMPLERS, HOOKS, LOG_PROCESSORS, LOOPS, OPTIMIZERS,
    PARAM_SCHEDULERS, VISBACKENDS, VISUALIZERS,
)  # fmt: skip


def run_config(cfg: Config, mode: str) -> Any:
    """Build the runner of a config, and train or evaluate.

    Args:
        cfg: The config.
        mode: ``'train'`` or ``'test'``.

    Returns:
        What the runner's method returns.

    Raises:
        ValueError: If a key of the config fits nothing; the message names it.
            Or the labels do not fit the config.
    """
    if mode == 'train':
        _refuse_without_training(cfg)
    check_types(cfg)
    check_labels(cfg, mode)
    with explained_errors(cfg):
        return getattr(RUNNERS.build(cfg), mode)()


def _refuse_without_training(cfg: Config) -> None:
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper'):
        if cfg.get(key) is None:
            raise ValueError(
                f'{key} is missing or None: a training needs model, '
                'train_dataloader, train_cfg and optim_wrapper'
            )


def check_labels(cfg: Config, mode: str) -> None:
    """Check the labels of a detector, and say what they hold.

    Args:
        cfg: The config; labels that had to be repaired are replaced in it.
        mode: ``'train'`` or ``'test'``.

    Raises:
        ValueError: If the labels do not fit the config.
        OSError: If they cannot be read.
    """
    # Late: it imports mmdet's datasets.
    from mmsoco.datasets.detector_labels import (
        check_detector_labels,
        describe_labels,
    )

    splits = ('test',) if mode == 'test' else ('train', 'val')
    found = check_detector_labels(cfg, splits)
    if found and int(os.environ.get('RANK', 0)) == 0:
        print(describe_labels(found), flush=True)


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
        kind = value_at(cfg.to_dict(), key)
        if isinstance(kind, str) and registry.get(kind) is None:
            raise ValueError(
                f'unknown type {kind!r} in {key}'
                f'{near(kind, _names_in(registry))}'
            )
    for place, node, registry in _main_parts(cfg):
        if isinstance(node, Mapping) and not _is_foreign(cfg, place):
            _check_type(place, node, registry)
            if registry is HOOKS and 'type' not in node:
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
            f'default_scope is {scope!r}, which is no installed package'
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
    """Refuse misspelled keys of all parts, those that are not built too."""
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
    """Return what a dict builds from a registry, if it does."""
    kind = node.get('type') if isinstance(node, Mapping) else None
    return registry.get(kind) if isinstance(kind, str) else kind


def _is_foreign(cfg: Mapping, place: str) -> bool:
    """Return whether another package has the type, by its ``_scope_``."""
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
            f'{near(kind, _names_in(registry))}'
        )
    if place.endswith('.sampler') and not _takes(built, 'dataset'):
        raise ValueError(
            f'{place}.type is {kind!r}, which does not take the dataset that '
            'mmengine gives: expected one of its samplers, such as '
            'DefaultSampler'
        )
    _check_typos(place, node, built)
    if registry is HOOKS:  # builders of the others take keys out first
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

    The argument itself may be given too, as a base config has it where the
    command line misspells it.
    """
    makers = [of.__init__ for of in getattr(built, '__mro__', ())]
    if any(hasattr(maker, '__wrapped__') for maker in makers):
        return  # some of mmcv's layers take old names of arguments, too
    known = _arguments_of(built, getattr(built, '__name__', ''))
    meant = {*known, 'type'}
    for key in set(node) - meant - {'_scope_'}:
        if difflib.get_close_matches(key, meant, 1, _ALIKE):
            raise ValueError(
                f'unknown key {place}.{key}{near(key, meant)} '
                f'({built.__name__} takes {", ".join(known)})'
            )


def _check_arguments(place: str, node: Mapping, built: Callable) -> None:
    """Refuse a key that a constructor cannot take.

    Pretraining does not build all parts of a detector: the constructor of
    the others would speak in fine-tuning only. Layers and losses are left
    alone, since who builds them takes keys out first. What CheckpointHook
    takes by ``**kwargs`` would stop the run at the first checkpoint.
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
    open_ended = any(p.kind in _OPEN_ENDED for p in parameters.values())
    saves = package in _OWN_HOOKS and issubclass(built, CheckpointHook)
    if (
        (package in FOUNDATIONS and not issubclass(built, Hook))
        or hasattr(maker, '__wrapped__')
        or (open_ended and not saves)
    ):
        return
    known = _arguments_of(built, built.__name__)
    for key in set(node) - {*known, 'type', '_scope_', 'priority'}:
        raise ValueError(
            f'unknown key {place}.{key}{near(key, known)} '
            f'({built.__name__} takes {", ".join(known) or "no arguments"})'
        )


@contextmanager
def explained_errors(cfg: Mapping) -> Iterator[None]:
    """Name the config's key in errors about what it is passed to.

    Args:
        cfg: The config that is being built.

    Raises:
        ValueError: If a type of the config is unknown, or does not take an
            argument, or lacks one.
    """
    try:
        yield
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        text = explain(error, cfg)
        if text is None:
            raise
        raise ValueError(text) from error


def explain(error: Exception, cfg: Mapping) -> str | None:
    """Return a message that names the key at fault, None if it is not one."""
    text = str(error.args[0]) if error.args else ''
    for pattern, explanation in (
        (_UNEXPECTED, _explain_unexpected),
        (_MISSING, _explain_missing),
        (_UNKNOWN_TYPE, _explain_unknown_type),
    ):
        match = pattern.search(text)
        if match:
            return explanation(error, cfg, *match.groups())
    if _NO_TYPE in text:
        return _explain_no_type(error, cfg)
    if isinstance(error, AttributeError):
        return _explain_no_module(text, cfg)
    return _explain_constructor(error, cfg)


def _explain_no_module(text: str, cfg: Mapping) -> str | None:
    """Name the key of a list of modules that the model lacks."""
    for key in ('activation_checkpointing', 'efficient_conv_bn_eval'):
        for name in cfg.get(key) or ():
            if any(f"'{part}'" in text for part in str(name).split('.')):
                return f'{key} names the module {name!r}, but {text}'
    return None


def _explain_constructor(error: Exception, cfg: Mapping) -> str | None:
    """Name the part whose constructor, of another package, refused it."""
    built = _local(error, 'cfg')
    frames = traceback.extract_tb(error.__traceback__)
    if not built or frames[-1].filename.startswith(_PACKAGE):
        return None  # messages of our own say what is wrong
    places = [p for p, node in _dicts(cfg) if _is_same_part(node, built)]
    if not places:
        return None
    what = str(error) or f'no message ({frames[-1].line})'
    return f'{places[0]} ({_type_name(built)}) cannot be built: {what}'


def _explain_unexpected(
    error: Exception, cfg: Mapping, name: str, argument: str
) -> str | None:
    dicts = [(p, node) for p, node in _dicts(cfg) if argument in node]
    built = _local(error, 'obj_cls')
    if name in [base.__name__ for base in getattr(built, '__mro__', ())]:
        name = built.__name__  # the error speaks of the base
    typed = [of for of in dicts if _type_name(of[1]) == name]
    # Loaders and loops have no type in the config where it is the usual one;
    # short names, such as BN, stand for a class of another name.
    found = typed or [of for of in dicts if 'type' not in of[1]] or dicts
    if not found:
        return None
    keys = ' or '.join(f'{place}.{argument}' for place, _ in found)
    known = _arguments_of(built, name)
    takes = f' ({name} takes {", ".join(known)})' if known else ''
    siblings = [key for key in found[0][1] if key != argument]
    return f'unknown key {keys}{near(argument, known or siblings)}{takes}'


def _explain_missing(
    error: Exception, cfg: Mapping, name: str, arguments: str
) -> str | None:
    places = [p for p, node in _dicts(cfg) if _type_name(node) == name]
    if not places:
        return None
    return f'{" or ".join(places)} (type {name}) lacks {arguments}'


def _explain_unknown_type(
    error: Exception, cfg: Mapping, name: str
) -> str | None:
    places = [p for p, node in _dicts(cfg) if node.get('type') == name]
    of_run = [p for p in places if p.partition('.')[0] in RUN_KEYS]
    if not places:
        return None
    keys = ' or '.join(f'{place}.type' for place in of_run or places)
    known = _names_in(_local(error, 'registry'))
    if MODELS.get(name) is not None:
        return (
            f'unknown type {name!r} in {keys} for the scope '
            f"{cfg.get('default_scope')!r}: write 'mmsoco.{name}', or set "
            "default_scope='mmsoco'"
        )
    return (
        f'unknown type {name!r} in {keys}{near(name, known)} (a class of your '
        'own must be registered, and its module named in '
        'custom_imports=dict(imports=[...]))'
    )


def _explain_no_type(error: Exception, cfg: Mapping) -> str | None:
    built = _local(error, 'cfg')
    places = [place for place, node in _dicts(cfg) if node == built]
    if not places and built:  # it was completed by the part that builds it
        places = [
            place
            for place, node in _dicts(cfg)
            if node and 'type' not in node and _is_part(node, built)
        ]
    if not places:
        return None
    return (
        f'{places[0]} has no type: expected dict(type=..., ...), got '
        f'{dict(built)}'
    )


def _is_part(node: Mapping, whole: Mapping) -> bool:
    return all(key in whole and whole[key] == node[key] for key in node)


def _is_same_part(node: Mapping, built: Mapping) -> bool:
    """Return whether a part is built from a dict of the config.

    Parts of it may be built already, so that its plain values decide.
    """
    return 'type' in node and all(
        built.get(key) == value
        for key, value in node.items()
        if key == 'type' or (key in built and isinstance(value, _PLAIN))
    )


def _dicts(cfg: Mapping) -> Iterator[tuple[str, Mapping]]:
    """Yield the dicts of a config, those that the run reads first.

    The variables of base configs, which come after, have them too.
    """
    for key in sorted(cfg, key=lambda key: key not in RUN_KEYS):
        for place, node in walk(key, cfg[key]):
            if isinstance(node, Mapping):
                yield place, node


def _type_name(node: Mapping) -> str:
    kind = node.get('type')
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', '')
    return name.rpartition('.')[2]


def _local(error: Exception, name: str) -> Any:
    """Return a local variable of mmengine's innermost building function."""
    found = None
    frame: TracebackType | None = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_name == 'build_from_cfg':
            found = frame.tb_frame.f_locals.get(name, found)
        frame = frame.tb_next
    return found


def _arguments_of(built: Callable | None, name: str) -> list[str]:
    """Name the arguments of a class, unless it is another one.

    Arguments that a class passes on by ``**kwargs`` are those of its bases.
    """
    if getattr(built, '__name__', None) != name:
        return []
    makers = [
        c.__dict__.get('__init__') for c in getattr(built, '__mro__', ())
    ]
    names: list[str] = []
    for maker in [m for m in makers if m] or [built]:
        parameters = inspect.signature(maker).parameters.values()
        names += [p.name for p in parameters if p.kind not in _OPEN_ENDED]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return [n for n in dict.fromkeys(names) if n != 'self']


def _takes(built: Callable, argument: str) -> bool:
    """Return whether a class or function has an argument, or any."""
    parameters = inspect.signature(built).parameters.values()
    return any(p.name == argument or p.kind in _OPEN_ENDED for p in parameters)


def _names_in(registry: Any) -> list[str]:
    """Name the classes of a registry and of its parents."""
    names: list[str] = []
    while registry is not None:
        names += registry.module_dict
        registry = registry.parent
    return names
