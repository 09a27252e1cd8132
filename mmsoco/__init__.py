"""SoCo: object-level contrastive pretraining for OpenMMLab detectors.

Wei et al., "Aligning Pretraining for Detection via Object-Level Contrastive
Learning", NeurIPS 2021, arXiv 2106.02637.

From a folder of pictures to a detector::

    import mmsoco
    run = mmsoco.pretrain('pictures', out='out')
    print(run.detector, run.report)

Importing the package is cheap: it only installs the import-time shims of
:mod:`mmsoco.compat`. The heavy packages (models, engine, datasets) are
imported by the registries of :mod:`mmsoco.registry` when a config asks for
them, and the proposal tools never need them.
"""

import importlib
import os
from typing import Any

from .compat import install_shims
from .utils.machine import limit_spinning
from .version import __version__

# What the package offers, by the module that has it.
_OFFERED = {
    'pretrain': 'mmsoco.workflow.pretrain',
    'finetune': 'mmsoco.workflow.finetune',
    'detect': 'mmsoco.workflow.detect',
}
__all__ = ['__version__', *_OFFERED]

install_shims()


def __getattr__(name: str) -> Any:
    """Import a name at its first use (PEP 562).

    Raises:
        AttributeError: If the package does not offer it.
    """
    if name not in _OFFERED:
        raise AttributeError(
            f'module {__name__!r} has no attribute {name!r}'
            f'; it has {", ".join(_OFFERED)}'
        )
    limit_spinning(os.environ)  # as the command does, before torch is loaded
    return getattr(importlib.import_module(_OFFERED[name]), name)


def __dir__() -> list[str]:
    """List the names of the package, those not yet imported included."""
    return sorted({*globals(), *_OFFERED})
