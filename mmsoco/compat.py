"""Make releases work together that were not published for each other.

Two packages refuse to be imported in the supported environment although they
work in it:

- mmcls and mmselfsup assert an mmcv below 2.1.0, the oldest mmcv that builds
  against a current torch;
- a torchvision built for CUDA stops with a torch built for CPU, because
  schemas of its compiled operators are missing.

Two others stop a config that inherits from another package:

- mmengine inherits configs (``_base_ = 'mmsoco::...'``) only from packages
  that it lists, and passes the entry ``_scope_`` of an inherited
  ``collate_fn`` to the function;
- mmselfsup's registries name a module that its wheel does not contain.

Some releases of mmengine load checkpoints without a guard, and mmcv's
operators for a CPU take no mixed precision.

Each is patched at the moment the package is first imported, so that
``import mmsoco`` imports none of them.
"""

import functools
import importlib.abc
import importlib.metadata
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# The newest mmcv that mmcls 1.0.0rc6 and mmselfsup 1.0.0 accept.
ACCEPTED_MMCV = '2.0.1'

# The tested versions; others give a warning. Lower bound inclusive, upper
# bound exclusive.
TESTED_VERSIONS = {
    'torch': ('2.11', '2.14'),
    'mmengine': ('0.10.7', '0.11'),
    'mmcv': ('2.1.0', '2.4'),
    'mmdet': ('3.3.0', '3.6'),
    'mmselfsup': ('1.0.0', '1.0.1'),
}
# The maintained forks publish the same import names under other package names.
DISTRIBUTIONS = {
    'mmengine': ('mmengine', 'onedl-mmengine'),
    'mmcv': ('mmcv', 'onedl-mmcv', 'mmcv-lite'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
}


@contextmanager
def accepted_mmcv_version() -> Iterator[None]:
    """Pretend that mmcv has a version that mmcls and mmselfsup accept."""
    import mmcv

    true_version = mmcv.__version__
    mmcv.__version__ = ACCEPTED_MMCV
    try:
        yield
    finally:
        mmcv.__version__ = true_version


@contextmanager
def torchvision_schemas() -> Iterator[None]:
    """Declare torchvision's operators for a torch without CUDA.

    torchvision registers shape functions for two of its operators while it is
    imported, and finds no such operator if its compiled library cannot be
    loaded. Its Python transforms work once the operators are declared; the
    operators themselves do not (RoIAlign and NMS come from mmcv then).
    """
    import torch

    if torch.version.cuda is None:
        for schema in (
            'nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
            'qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
        ):
            name = f'torchvision::{schema.split("(")[0]}'
            if not _is_declared(name):
                torch.library.define(name, schema[schema.index('(') :])
    yield


def _is_declared(operator: str) -> bool:
    import torch

    namespace, name = operator.split('::')
    return hasattr(getattr(torch.ops, namespace), name)


def list_package(utils: ModuleType) -> None:
    """List mmsoco among the packages whose configs can be inherited.

    Args:
        utils: The module ``mmengine.config.utils``.
    """
    # mmengine looks for a distribution in the folder of all packages, where an
    # editable install is not. It finds a module's folder wherever it is.
    utils.MODULE2PACKAGE['mmsoco'] = 'mmsoco.version'


def drop_scope_of_collate_fn(module: ModuleType) -> None:
    """Let mmengine's runner build the loader of an inherited config.

    Config inheritance between packages adds to each dict with a ``type`` the
    package that it comes from, as ``_scope_``. Registries remove this entry,
    but ``collate_fn`` is built without a registry, and the entry arrives as an
    argument that the function does not have.

    Args:
        module: The module ``mmengine.runner.runner``.
    """
    build = module.Runner.build_dataloader
    if hasattr(build, '__wrapped__'):
        return

    @functools.wraps(build)
    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> Any:
        """Build without the scope that mmengine adds to collate_fn."""
        if isinstance(dataloader, dict):
            collate_fn = dataloader.get('collate_fn')
            if isinstance(collate_fn, dict) and '_scope_' in collate_fn:
                collate_fn = type(collate_fn)(collate_fn)
                del collate_fn['_scope_']
                dataloader = type(dataloader)(dataloader)
                dataloader['collate_fn'] = collate_fn
        return build(dataloader, *args, **kwargs)

    module.Runner.build_dataloader = staticmethod(build_dataloader)


def guard_loading(module: ModuleType) -> None:
    """Make mmengine's loader of checkpoints accept only data.

    Args:
        module: The module ``mmengine.runner.checkpoint``.
    """
    # Late: `import mmsoco` imports no torch.
    guard = importlib.import_module('mmsoco.checkpoints.guard')
    guard.guard_loader(module.CheckpointLoader)


def suppress_in_float32(module: ModuleType) -> None:
    """Let mmcv's NMS run under mixed precision on a CPU.

    On a CPU, it is compiled only for float32 and float64, while a detector
    passes scores in bfloat16. They are cast, as torch does for its own
    operators that need float32.

    Args:
        module: The module ``mmcv.ops.nms``.
    """
    # Late: `import mmsoco` imports no torch.
    import torch

    for operator in (module.NMSop, module.SoftNMSop):
        if not hasattr(operator.forward, '__wrapped__'):
            cast = torch.amp.custom_fwd(
                operator.forward,
                device_type='cpu',
                cast_inputs=torch.float32,
            )
            operator.forward = staticmethod(cast)


def pool_in_float32(module: ModuleType) -> None:
    """Let mmcv's RoIAlign pool maps in half precision on a CPU.

    On a CPU, it is compiled only for float32 and float64. mmdet expects
    features in the precision of the map.

    Args:
        module: The module ``mmcv.ops.roi_align``.
    """
    pool = module.roi_align
    if hasattr(pool, '__wrapped__'):
        return

    @functools.wraps(pool)
    def roi_align(features: Any, rois: Any, *args: Any) -> Any:
        if features.device.type != 'cpu' or features.element_size() > 2:
            return pool(features, rois, *args)
        pooled = pool(features.float(), rois.float(), *args)
        return pooled.to(features.dtype)

    vars(module)['roi_align'] = roi_align


# Changes to a module after its import, or now if it is already imported.
PATCHES: dict[str, Callable[[ModuleType], None]] = {
    'mmcv.ops.nms': suppress_in_float32,
    'mmcv.ops.roi_align': pool_in_float32,
    'mmengine.config.utils': list_package,
    'mmengine.runner.checkpoint': guard_loading,
    'mmengine.runner.runner': drop_scope_of_collate_fn,
}


@contextmanager
def patched(name: str) -> Iterator[None]:
    """Change a module after its import as ``PATCHES`` says."""
    yield
    PATCHES[name](sys.modules[name])


Shim = Callable[[], AbstractContextManager[Any]]
SHIMS: dict[str, Shim] = {
    'mmcls': accepted_mmcv_version,
    'mmselfsup': accepted_mmcv_version,
    'torchvision': torchvision_schemas,
    **{name: functools.partial(patched, name) for name in PATCHES},
}
# Modules that a registry would import, but that do not exist.
ABSENT_MODULES = ('mmselfsup.engine.runner',)


class _ShimLoader(importlib.abc.Loader):
    """Run a package's own loader inside its shim."""

    def __init__(self, loader: importlib.abc.Loader, shim: Shim) -> None:
        self.loader = loader
        self.shim = shim

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with self.shim():
            self.loader.exec_module(module)

    def __getattr__(self, name: str) -> Any:
        # importlib.resources and inspect ask the loader for its files
        return getattr(self.loader, name)


class _EmptyLoader(importlib.abc.Loader):
    """Load a module without content."""

    def exec_module(self, module: ModuleType) -> None:
        pass


class ShimFinder(importlib.abc.MetaPathFinder):
    """Find the packages of ``SHIMS`` and wrap their loaders.

    A module of ``ABSENT_MODULES`` that no other finder knows is empty.
    """

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> ModuleSpec | None:
        """Return the module's own spec with a wrapped loader."""
        if name not in SHIMS and name not in ABSENT_MODULES:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, 'find_spec'):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                if name in SHIMS:
                    spec.loader = _ShimLoader(spec.loader, SHIMS[name])
                return spec
        return ModuleSpec(name, _EmptyLoader()) if name not in SHIMS else None


def install_shims() -> None:
    """Install the shims; a second call changes nothing."""
    # mmengine imports pkg_resources, whose deprecation warning would start
    # every log, and users cannot do anything about it.
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    if not any(isinstance(f, ShimFinder) for f in sys.meta_path):
        sys.meta_path.insert(0, ShimFinder())
    for name, patch in PATCHES.items():
        module = sys.modules.get(name)
        # Otherwise it is patched when it is imported.
        if module is not None and not _is_being_imported(module):
            patch(module)


def _is_being_imported(module: ModuleType) -> bool:
    spec = getattr(module, '__spec__', None)
    return getattr(spec, '_initializing', False)


def require(module: str) -> ModuleType:
    """Import one of the packages that mmsoco builds on.

    Raises:
        ImportError: If the package is missing or broken; the message says in
            one line which, and how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        names = ' or '.join(DISTRIBUTIONS.get(module, (module,)))
        raise ImportError(
            f'mmsoco needs the package "{module}" ({names}), whose import '
            f'failed: {error}. `make install` in a clone of mmsoco sets up '
            'everything at tested versions.'
        ) from error


def warn_untested() -> None:
    """Warn once about each package outside the tested versions."""
    from mmengine.utils import digit_version

    for module, (lowest, highest) in TESTED_VERSIONS.items():
        version = installed_version(module)
        if version is None:
            continue
        if not (
            digit_version(lowest)
            <= digit_version(version)
            < digit_version(highest)
        ):
            warnings.warn(
                f'{module} {version} was not tested with mmsoco '
                f'(tested: {lowest} up to, not including, {highest}).',
                stacklevel=2,
            )


def installed_version(module: str) -> str | None:
    """Return the version of a package, without the build, or None."""
    for name in DISTRIBUTIONS.get(module, (module,)):
        try:
            return importlib.metadata.version(name).split('+')[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
