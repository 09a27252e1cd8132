"""Compute features of boxes from every module of a detector."""

from collections.abc import Iterable

import numpy as np
import torch
from mmcv.ops import RoIAlign
from torch import Tensor, nn

from mmsoco.engine.hooks.precise_bn_hook import recompute_statistics
from mmsoco.models.detector_parts import probe_levels
from mmsoco.models.object_encoder import ObjectEncoder
from mmsoco.models.roi_pooling import AssignedRoIs, merge_levels, roi_align

from .picture_batches import Batch

# With 16 pictures each, the standard error of a channel's mean is below a
# tenth of its deviation, even if all pixels of a picture are equal.
_STATISTICS_BATCHES = 12


def rois_of(encoder: ObjectEncoder, boxes: Tensor) -> AssignedRoIs:
    """Assign (R, 5) boxes to the pyramid levels of the encoder."""
    extractor = encoder.roi_extractor
    levels = extractor.map_roi_levels(boxes, extractor.num_inputs)
    return AssignedRoIs(boxes, levels, tuple(levels.unique().tolist()))


class ModuleFeatures:
    """Compute the features of boxes after each module of an encoder.

    Args:
        encoder: From `build_encoder`.
    """

    def __init__(self, encoder: ObjectEncoder) -> None:
        self.encoder = encoder
        is_training = encoder.training
        self._stages = _pooling_layers(encoder.backbone, None)
        self._levels = []
        if encoder.neck is not None:
            self._levels = _pooling_layers(encoder.backbone, encoder.neck)
        encoder.train(is_training)

    @torch.no_grad()
    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Return (R, C) features of the batch's boxes by module.

        ``backbone.stageI`` and ``neck.levelI`` are all boxes pooled from
        one feature map and averaged over the bins, ``neck.own`` takes each
        box from its own level, and ``trunk`` is the box head's embedding.
        """
        encoder = self.encoder
        stages = encoder.backbone(batch.images)
        maps = stages
        if encoder.neck is not None:
            maps = encoder.neck(stages)
        features = {}
        for name, layers, values in (
            ('backbone.stage', self._stages, stages),
            ('neck.level', self._levels, maps),
        ):
            for number, (layer, value) in enumerate(
                zip(layers, values, strict=False), 1
            ):
                pooled = roi_align(layer, value, batch.boxes)
                features[f'{name}{number}'] = pooled.mean(dim=(2, 3))
        rois = rois_of(encoder, batch.boxes)
        if self._levels:
            levels = [features[f'neck.level{i + 1}'] for i in rois.used]
            is_own = [rois.levels == i for i in rois.used]
            features['neck.own'] = merge_levels(levels, is_own)
        features['trunk'] = encoder.embed(maps, [rois])[0][0]
        return features


def _pooling_layers(
    backbone: nn.Module, neck: nn.Module | None
) -> list[RoIAlign]:
    return [
        RoIAlign(7, 1 / level.stride, sampling_ratio=2)
        for level in probe_levels(backbone, neck)
    ]


def object_features(
    encoder: ObjectEncoder, data: Iterable[Batch]
) -> dict[str, np.ndarray]:
    """Return the (R, C) float32 features of all boxes by module."""
    features = ModuleFeatures(encoder)
    parts: dict[str, list[Tensor]] = {}
    for batch in data:
        for name, values in features(batch).items():
            parts.setdefault(name, []).append(values.float())
    return {name: torch.cat(own).numpy() for name, own in parts.items()}


class _WholePictures(nn.Module):
    """An adapter of an encoder for `recompute_statistics`."""

    def __init__(self, encoder: ObjectEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def data_preprocessor(self, batch: Batch, training: bool) -> dict:
        return batch._asdict()

    def forward(self, images: Tensor, boxes: Tensor, mode: str) -> None:
        maps = self.encoder(images)
        self.encoder.embed(maps, [rois_of(self.encoder, boxes)])


def use_precise_statistics(
    encoder: ObjectEncoder, data: Iterable[Batch]
) -> None:
    """Recompute batch norm's statistics on whole pictures and their boxes.

    Pretraining normalizes crops of other sizes; fine-tuning in evaluation
    mode normalizes whole pictures. The encoder is left in evaluation mode.

    Args:
        encoder: Its running statistics are replaced.
        data: The batches, of which the first few are used.
    """
    encoder.train()
    recompute_statistics(
        _WholePictures(encoder), data, num_iters=_STATISTICS_BATCHES
    )
    encoder.eval()
