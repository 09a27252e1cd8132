"""The view pipeline: crops, proposals, colors, tensors.

Each transform is a callable on a dict of named intermediate results and takes
all its randomness from ``results['rng']``.
"""

from .cutout import DrawCutout
from .draw_views import DrawViews
from .formatting import PackViews
from .photometric import PhotometricJitter
from .random_proposals import RandomProposals
from .show_proposals import ShowProposals
from .views import RandomCropView, ResizedView, WholeImageView

__all__ = [
    'DrawCutout',
    'DrawViews',
    'PackViews',
    'PhotometricJitter',
    'RandomCropView',
    'RandomProposals',
    'ResizedView',
    'ShowProposals',
    'WholeImageView',
]
