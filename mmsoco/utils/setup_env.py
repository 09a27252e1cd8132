"""Register everything at once, as other OpenMMLab packages do.

The file and the function have the names that mmdet and its relatives use.
Configs do not need this: the registries import a package when they first look
up a name of it. Programs that list or subclass registered parts do.
"""

import datetime
import importlib
import warnings

SCOPE = 'mmsoco'


def register_all_modules(init_default_scope: bool = True) -> None:
    """Import every package that the registries of mmsoco name.

    Args:
        init_default_scope: Whether to make ``mmsoco`` the default scope, in
            which names without a prefix are looked up.
    """
    registry = importlib.import_module('mmsoco.registry')
    for name in registry.__all__:
        getattr(registry, name).import_from_location()
    if init_default_scope:
        _set_default_scope()


def _set_default_scope() -> None:
    """Make ``mmsoco`` the default scope; warn if another one was set."""
    from mmengine.registry import DefaultScope

    current = DefaultScope.get_current_instance()
    if current is not None and current.scope_name == SCOPE:
        return
    if current is not None:
        warnings.warn(
            f'the default scope was {current.scope_name!r} and is now '
            f'{SCOPE!r}; pass init_default_scope=False to keep it',
            stacklevel=3,
        )
    # Names of instances are unique, and the newest one is the current one.
    now = datetime.datetime.now()
    DefaultScope.get_instance(f'{SCOPE}-{now}', scope_name=SCOPE)
