"""Refuse keys of a config that a run does not read, and suggest others.

mmengine accepts any key: a typo silently changes nothing. Neither does a
variable of a base config that was expanded before the user set it::

    draw_views = dict(num_proposals=4)                # _base_
    train_dataloader = dict(dataset=dict(pipeline=[draw_views]))

Setting ``draw_views.num_proposals`` afterwards does not reach the pipeline.
Both are refused here before anything is built, with the key that was probably
meant. A config may have its own variables; only those that nothing can read
are refused:

- on the command line, every key that is not below a key of the run;
- in a file, a name that looks like a misspelled key of the run, and one that
  replaces a variable of a base without being used in the file itself.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsoco.utils.names import near

if TYPE_CHECKING:
    from mmengine.config import Config

# The arguments of mmengine's Runner.
RUNNER_KEYS = frozenset(
    'model work_dir train_dataloader val_dataloader test_dataloader train_cfg '
    'val_cfg test_cfg auto_scale_lr optim_wrapper param_scheduler '
    'val_evaluator test_evaluator default_hooks custom_hooks '
    'data_preprocessor load_from resume launcher env_cfg log_processor '
    'log_level visualizer default_scope randomness experiment_name'.split()
)
# Keys that mmengine, mmdet's tools and mmsoco look up in the config.
LOOKED_UP_KEYS = frozenset(
    'runner_type custom_imports sync_bn model_wrapper_cfg compile '
    'find_unused_parameters overwrite activation_checkpointing '
    'efficient_conv_bn_eval tta_model tta_pipeline'.split()
)
RUN_KEYS = RUNNER_KEYS | LOOKED_UP_KEYS
# Keys of dicts that no constructor checks. mmengine passes dist_cfg on to
# torch's init_process_group.
PLAIN_KEYS = {
    'auto_scale_lr': ('enable', 'base_batch_size'),
    'custom_imports': ('imports', 'allow_failed_imports'),
    'env_cfg': (
        'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit',
    ),
    'env_cfg.mp_cfg': ('mp_start_method', 'opencv_num_threads'),
    'env_cfg.dist_cfg': (
        'backend', 'timeout', 'init_method', 'init_backend', 'port',
        'world_size', 'rank', 'store', 'device_id', 'pg_options',
    ),
    'optim_wrapper.clip_grad': (
        'type', 'max_norm', 'norm_type', 'clip_value', 'error_if_nonfinite',
        'foreach',
    ),
    'randomness': ('seed', 'diff_rank_seed', 'deterministic'),
}  # fmt: skip
# Of mmengine's own constructor of optimizers; another one has its own keys.
_PARAMWISE_KEYS = (
    'custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult',
    'flat_decay_mult', 'dwconv_decay_mult', 'dcn_offset_lr_mult',
    'bypass_duplicate',
)  # fmt: skip
_MULTIPLIERS = ('lr_mult', 'decay_mult')
# Keys of the test-time augmentation of mmdet's tools; a variable test_pipeline
# is not a misspelled tta_pipeline.
_TYPO_TARGETS = RUN_KEYS - {'tta_model', 'tta_pipeline'}
# Types of these keys, which nothing else checks with a clear message.
_VALUES: dict[str, tuple[type, ...]] = {
    'randomness.seed': (int, type(None)),
    'auto_scale_lr.enable': (bool,),
    'auto_scale_lr.base_batch_size': (int,),
    'load_from': (str, type(None)),
    'resume': (bool,),
    'work_dir': (str, type(None)),
    'overwrite': (bool,),
    'custom_hooks': (list, tuple),
    'param_scheduler': (dict, list, tuple),
    'log_level': (str, int),
    'experiment_name': (str,),
    'default_scope': (str,),
    'runner_type': (str, type),
    'sync_bn': (str,),
    'compile': (bool, dict),
    'activation_checkpointing': (list, tuple),
    'efficient_conv_bn_eval': (list, tuple),
    'custom_imports.imports': (str, list, tuple),
    'env_cfg.mp_cfg.opencv_num_threads': (int,),
    'randomness.deterministic': (bool,),
    'randomness.diff_rank_seed': (bool,),
    **{
        section: (dict,)
        for section in (
            'model', 'train_dataloader', 'train_dataloader.dataset',
            'train_dataloader.sampler', 'train_cfg', 'optim_wrapper',
            'optim_wrapper.optimizer', 'optim_wrapper.clip_grad',
            'optim_wrapper.paramwise_cfg', 'default_hooks', 'env_cfg',
            'env_cfg.mp_cfg', 'env_cfg.dist_cfg', 'randomness',
            'train_dataloader.batch_sampler', 'val_dataloader',
            'test_dataloader', 'val_cfg', 'test_cfg', 'auto_scale_lr',
            'model_wrapper_cfg', 'custom_imports', 'log_processor',
            'visualizer', 'optim_wrapper.paramwise_cfg.custom_keys',
        )
    },
}  # fmt: skip
# Where options come from unless a caller of `check_options` says otherwise.
COMMAND_LINE = '--cfg-options'
# What options come too late for, and what to do instead.
_TOO_LATE = {
    'custom_imports': 'modules are imported while the file is read; name '
    'them in the file',
    'launcher': 'the option --launcher sets it',
}
# Similarity of a name and a key of the run from which it counts as a typo
# ("load_form" and "load_from": 0.89).
_ALIKE = 0.85


class UnknownKeyError(ValueError):
    """A key that no part of the run reads; the message says what does."""


def check_keys(cfg: Config, file: str | None = None) -> None:
    """Refuse keys of a config that nothing reads.

    Args:
        cfg: The config.
        file: Its file, whose own names are checked too.

    Raises:
        UnknownKeyError: The first such key.
    """
    for name, known in PLAIN_KEYS.items():
        _check_plain(cfg, name, known)
    wrapper = value_at(cfg, 'optim_wrapper')
    if isinstance(wrapper, Mapping) and 'constructor' not in wrapper:
        _check_plain(cfg, 'optim_wrapper.paramwise_cfg', _PARAMWISE_KEYS)
        _check_custom_keys(cfg)
    _check_values(cfg)
    if file is not None:
        _check_names(cfg, file)


def _check_plain(cfg: Config, name: str, known: Sequence[str]) -> None:
    """Refuse unknown keys of a dict."""
    node = value_at(cfg, name)
    for key in node if isinstance(node, Mapping) else ():
        if key not in known:
            raise UnknownKeyError(
                f'unknown key {name}.{key}{near(key, known)} '
                f'({name} takes {", ".join(sorted(known))})'
            )


def _check_custom_keys(cfg: Config) -> None:
    """Refuse misspelled multipliers of parts, which would count as 1."""
    place = 'optim_wrapper.paramwise_cfg.custom_keys'
    parts = value_at(cfg, place)
    # The names of parts may contain dots.
    for part, node in parts.items() if isinstance(parts, Mapping) else ():
        for key in node if isinstance(node, Mapping) else ():
            # Other keys become options of the optimizer's group.
            if key not in _MULTIPLIERS and difflib.get_close_matches(
                key, _MULTIPLIERS, 1, _ALIKE
            ):
                raise UnknownKeyError(
                    f'unknown key {place}.{part}.{key}'
                    f'{near(key, _MULTIPLIERS)}'
                )


def _check_values(cfg: Config) -> None:
    """Refuse values of a wrong type for keys that nothing else checks."""
    for name, kinds in _VALUES.items():
        value = value_at(cfg, name)
        if value is not None and not isinstance(value, kinds):
            expected = ' or '.join(
                'None' if kind is type(None) else kind.__name__
                for kind in kinds
            )
            raise UnknownKeyError(f'{name} must be {expected}, got {value!r}')
    for name, hook in (cfg.get('default_hooks') or {}).items():
        if not isinstance(hook, (Mapping, type(None))):
            raise UnknownKeyError(
                f'default_hooks.{name} must be dict, or None to train '
                f'without it, got {hook!r}'
            )


def _check_names(cfg: Config, file: str) -> None:
    """Refuse names in a file that are meant for the run but have no effect."""
    unread = sorted(_unused_names(file, cfg) - RUN_KEYS)
    bases = _variables_of_bases(file) if unread else {}
    for name in unread:
        typo = difflib.get_close_matches(name, _TYPO_TARGETS, 1, _ALIKE)
        if typo:
            raise UnknownKeyError(
                f'unknown key {name} in {file}; did you mean {typo[0]}?'
            )
        if name in bases:
            raise UnknownKeyError(
                f'{name} in {file} changes nothing: the base config has put '
                f'the variable to its places already'
                f'{_live_advice(cfg, name, (), bases[name])}'
            )


def _unused_names(file: str, cfg: Config) -> set[str]:
    """Return the names that a config file assigns but does not use."""
    if not file.endswith('.py'):
        return set(cfg.keys())
    tree = ast.parse(Path(file).read_text(encoding='utf-8'))
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    return set(_assigned(tree.body)) - used


def _assigned(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements of a module's top level assign."""
    for statement in body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            for part in parts:
                if isinstance(part, ast.Name) and part.id[0] != '_':
                    yield part.id


def _variables_of_bases(file: str) -> dict[str, Any]:
    """Return the values of a file's bases, by name."""
    from mmengine.config import Config

    values: dict[str, Any] = {}
    for base in Config._get_base_files(file):
        path, scope = Config._get_cfg_path(base, file)
        values.update(Config.fromfile(path)._cfg_dict.to_dict())
    return values


def check_options(
    cfg: Config, options: Mapping[str, Any], source: str = COMMAND_LINE
) -> None:
    """Refuse options that change nothing in the run.

    Args:
        cfg: The config before the options are applied.
        options: Values by dotted key.
        source: Where the options come from, for the message.

    Raises:
        UnknownKeyError: The first such key; the message names those that
            were meant.
    """
    for key in options:
        name, *rest = key.split('.')
        if name in _TOO_LATE:
            raise UnknownKeyError(
                f'{source} {key} changes nothing: {_TOO_LATE[name]}'
            )
        if name in RUN_KEYS:
            continue
        if name not in cfg:
            raise UnknownKeyError(
                f'{source} {key}: unknown key {name}'
                f'{near(name, RUN_KEYS) or _namesakes(cfg, key)}'
            )
        raise UnknownKeyError(
            f'{source} {key} changes nothing: the config has put its '
            f'variable {name} to its places already'
            f'{_live_advice(cfg, name, rest, cfg[name])}'
        )


def _namesakes(cfg: Config, key: str) -> str:
    """Name the keys of the run with the same ending as a missing key."""
    last = key.rpartition('.')[2]
    found = [
        place
        for name in sorted(RUN_KEYS & set(cfg.keys()))
        for place, _ in walk(name, cfg[name])
        if place.rpartition('.')[2] == last
    ]
    return f'; did you mean {" or ".join(found[:3])}?' if found else ''


def _live_advice(
    cfg: Config, name: str, rest: Sequence[str], value: Any
) -> str:
    """Name the keys of the run that contain the value of a variable."""
    live = [
        '.'.join([place, *rest]) for place in live_places(cfg, name, value)
    ]
    if not live:
        return '. Set the key of the run that is meant, such as model.X'
    return f'. Set {" and ".join(live)} instead'


def live_places(cfg: Config, name: str, value: Any) -> list[str]:
    """Find the keys of the run that contain the value of an expanded variable.

    Args:
        cfg: The config.
        name: Name of the variable.
        value: Its value. A dict is found again in dicts that have all its
            entries except those that another config replaced; another value
            under a key of the variable's name.

    Returns:
        Dotted keys below the keys of the run.
    """
    found = []
    for key in sorted(RUN_KEYS & set(cfg.keys())):
        for place, node in walk(key, cfg[key]):
            if isinstance(value, Mapping):
                if isinstance(node, Mapping) and _is_made_of(node, value):
                    found.append(place)
            elif place.rpartition('.')[2] == name:
                found.append(place)
    if not found and not isinstance(value, Mapping):
        found = _same_value(cfg, value)
    return found


def _is_made_of(node: Mapping, value: Mapping) -> bool:
    """Return whether a dict was made from a variable's."""
    if value.get('type') is not None:
        return node.get('type') == value['type']
    return bool(value) and all(node.get(k) == v for k, v in value.items())


def _same_value(cfg: Config, value: Any) -> list[str]:
    """Compare texts and lists, which are rarely equal by chance."""
    if not isinstance(value, (str, list, tuple)) or not value:
        return []
    return [
        place
        for key in sorted(RUN_KEYS & set(cfg.keys()))
        for place, node in walk(key, cfg[key])
        if node == value and type(node) is type(value)
    ]


def walk(place: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Yield all values of a config with their dotted keys."""
    yield place, node
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from walk(f'{place}.{key}', value)
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from walk(f'{place}.{index}', value)


def value_at(cfg: Mapping | Config, key: str) -> Any:
    """Return the value of ``a.b.c``, None if there is none."""
    first, *rest = key.split('.')
    value: Any = cfg.get(first)
    for name in rest:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
