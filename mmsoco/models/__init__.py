"""The pretraining model: a detector's parts, two branches and a loss."""

from .contrast_head import ContrastHead
from .data_preprocessor import SoCoDataPreprocessor
from .efficientnet_lite import EfficientNetLite
from .object_encoder import ObjectEncoder
from .pretexts import Pretext, RPNPretext
from .soco import SoCo
from .target_network import TargetNetwork

__all__ = [
    'ContrastHead',
    'EfficientNetLite',
    'ObjectEncoder',
    'Pretext',
    'RPNPretext',
    'SoCo',
    'SoCoDataPreprocessor',
    'TargetNetwork',
]
