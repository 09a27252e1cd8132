"""EfficientNet-lite0, for which a package has ImageNet weights."""

from typing import Any

from mmdet.models.backbones import EfficientNet

from mmsoco.registry import MODELS


@MODELS.register_module()
class EfficientNetLite(EfficientNet):
    """EfficientNet-B0 without squeeze-and-excitation, with ReLU6.

    The "lite0" of TensorFlow's EfficientNet-lite models. With
    ``out_indices=(2, 3, 4, 5)`` its maps have 24, 40, 112 and 320 channels at
    strides 4, 8, 16 and 32.

    Args:
        kwargs: Arguments of mmdet's EfficientNet, except ``arch`` and
            ``act_cfg``.
    """

    # The third number of each block is the squeeze ratio.
    layer_settings = {
        'b': [
            [[*block[:2], 0, *block[3:]] for block in stage]
            for stage in EfficientNet.layer_settings['b']
        ]
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(arch='b0', act_cfg=dict(type='ReLU6'), **kwargs)
