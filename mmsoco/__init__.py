"""SoCo: object-level contrastive pretraining for OpenMMLab detectors.

Wei et al., "Aligning Pretraining for Detection via Object-Level Contrastive
Learning", NeurIPS 2021, arXiv 2106.02637.

Importing the package is cheap: it only installs the import-time shims of
:mod:`mmsoco.compat`. The heavy rooms (models, engine, datasets) are imported
by the registries of :mod:`mmsoco.registry` when a config asks for them, and
the proposal tools never need them.
"""

from .compat import install_shims
from .version import __version__

__all__ = ['__version__']

install_shims()
