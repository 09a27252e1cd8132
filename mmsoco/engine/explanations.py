"""Explain errors of constructors by the config's key that caused them."""

import os
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from mmsoco.config.keys import RUN_KEYS, walk
from mmsoco.engine.signatures import arguments_of, names_in
from mmsoco.registry import MODELS
from mmsoco.utils.names import near

_UNEXPECTED = re.compile(
    r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'"
)
_MISSING = re.compile(
    r'(\w+)\.__init__\(\) missing \d+ required \S+ arguments?: (.+)'
)
_UNKNOWN_TYPE = re.compile(r'(\S+) is not in the .+ registry')
_PLAIN = bool | int | float | str
_NO_TYPE = 'must contain the key "type"'
# What mmengine's data sets say without images.
_NO_IMAGES = 'need at least one array to concatenate'
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


@contextmanager
def explained_errors(cfg: Mapping) -> Iterator[None]:
    """Name the config's key in errors of the class that it configures.

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
    """Name the part that a constructor of another package refused."""
    built = _local(error, 'cfg')
    frames = traceback.extract_tb(error.__traceback__)
    if not built or frames[-1].filename.startswith(_PACKAGE):
        return None  # our own messages say what is wrong
    places = [p for p, node in _dicts(cfg) if _is_same_part(node, built)]
    if not places:
        return None
    if _NO_IMAGES in str(error):
        return (
            f'{places[0]} ({_type_name(built)}) keeps none of its images: '
            'look at its filter_cfg and indices'
        )
    what = str(error) or f'no message ({frames[-1].line})'
    return f'{places[0]} ({_type_name(built)}) cannot be built: {what}'


def _explain_unexpected(
    error: Exception, cfg: Mapping, name: str, argument: str
) -> str | None:
    dicts = [(p, node) for p, node in _dicts(cfg) if argument in node]
    built = _local(error, 'obj_cls')
    if name in [base.__name__ for base in getattr(built, '__mro__', ())]:
        name = built.__name__  # the error names the base
    typed = [of for of in dicts if _type_name(of[1]) == name]
    # Loaders and loops of the usual type have no type in the config; short
    # names such as BN stand for a class of another name.
    found = typed or [of for of in dicts if 'type' not in of[1]] or dicts
    if not found:
        return None
    keys = ' or '.join(f'{place}.{argument}' for place, _ in found)
    known = arguments_of(built, name)
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
    known = names_in(_local(error, 'registry'))
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

    Parts of the dict may already be built, so only its plain values are
    compared.
    """
    return 'type' in node and all(
        built.get(key) == value
        for key, value in node.items()
        if key == 'type' or (key in built and isinstance(value, _PLAIN))
    )


def _dicts(cfg: Mapping) -> Iterator[tuple[str, Mapping]]:
    """Yield the dicts of a config, starting with those that the run reads.

    Variables of base configs, which come later, contain them too.
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
