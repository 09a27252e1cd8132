"""From boxes on a view to RoI features on the levels of a pyramid."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmcv.ops import RoIAlign
from mmengine.dist import all_reduce
from torch import Tensor, nn


class RoIs(NamedTuple):
    """The boxes of one RoI set over a batch.

    Attributes:
        boxes: (R, 5) float32: image index in the batch, then x1, y1, x2, y2
            in the view's pixels.
        levels: (R,) int64, the pyramid level of each box, counted from 0.
        used: The levels to pool from, ascending, see `used_levels`.
        tied: Levels that no set of the batch uses, if this is the set whose
            embeddings connect them to the loss, see `tie`.
    """

    boxes: Tensor
    levels: Tensor
    used: tuple[int, ...]
    tied: tuple[int, ...] = ()


class RoIFeatures(NamedTuple):
    """RoI features that pass through head, projector and predictor at once.

    Attributes:
        features: (R, C, h, w) float32.
        valid: (R,) bool, the rows whose embeddings count.
    """

    features: Tensor
    valid: Tensor


def index_boxes(bboxes: Tensor) -> Tensor:
    """Puts the image index before each box.

    Args:
        bboxes: (N, K, 4) boxes x1, y1, x2, y2 in pixels.

    Returns:
        (N * K, 5) float32.
    """
    num_images, num_boxes = bboxes.shape[:2]
    index = torch.arange(num_images, device=bboxes.device)
    index = index.repeat_interleave(num_boxes)[:, None]  # (N * K, 1)
    flat = bboxes.reshape(-1, 4).float()
    return torch.cat([index.to(flat), flat], dim=1)


def used_levels(
    levels: Sequence[Tensor], num_levels: int, on_any_rank: bool
) -> list[tuple[int, ...]]:
    """Lists the levels that hold a box of each set.

    Args:
        levels: (R,) int64 per RoI set.
        num_levels: Number of pyramid levels.
        on_any_rank: Count the boxes of all ranks, by one small collective
            for all sets. A head that runs once per level needs this: if
            ranks disagreed about the levels, the collectives of synchronized
            batch norm would wait for each other forever.

    Returns:
        The used levels of each set, ascending.
    """
    numbers = torch.arange(num_levels, device=levels[0].device)
    is_used = torch.stack(
        [(own[:, None] == numbers).any(dim=0) for own in levels]
    ).int()  # (number of sets, num_levels)
    if on_any_rank:
        all_reduce(is_used, op='max')
    return [
        tuple(level for level, used in enumerate(row) if used)
        for row in is_used.tolist()
    ]


@functools.cache
def mmcv_has_roi_align(device_type: str) -> bool:
    """Whether mmcv's RoIAlign was compiled for a type of device."""
    try:
        RoIAlign(1)(
            torch.zeros(1, 1, 2, 2, device=device_type),
            torch.zeros(1, 5, device=device_type),
        )
    except RuntimeError:
        return False
    return True


def roi_align(layer: RoIAlign, feature: Tensor, boxes: Tensor) -> Tensor:
    """Pools boxes from one feature map, in float32 also under autocast.

    Positions in half precision would be off by whole pixels. torchvision's
    operator takes over where mmcv's was not compiled for the device.

    Args:
        layer: The RoI layer of the feature map's level.
        feature: (N, C, H, W), any floating type or memory format.
        boxes: (R, 5) float32, see `RoIs`.

    Returns:
        (R, C, h, w) float32.
    """
    device_type = feature.device.type
    layer.use_torchvision = not mmcv_has_roi_align(device_type)
    with torch.autocast(device_type, enabled=False):
        return layer(feature.float().contiguous(), boxes)


def pool_every_used_level(
    layers: nn.ModuleList, features: Sequence[Tensor], rois: RoIs
) -> list[RoIFeatures]:
    """Pools every box of a set on each level that the set uses.

    This keeps the batch-norm statistics of the published code, which runs
    every box through every level and drops the embeddings of all but the
    box's own level. A level without any box gives embeddings that are all
    dropped, so to skip it changes no gradient.

    Args:
        layers: One RoI layer per pyramid level.
        features: (N, C, H_l, W_l) per pyramid level.
        rois: The boxes.

    Returns:
        One element per used level.
    """
    return [
        RoIFeatures(
            roi_align(layers[level], features[level], rois.boxes),
            rois.levels == level,
        )
        for level in rois.used
    ]


def pool_own_level(
    layers: nn.ModuleList, features: Sequence[Tensor], rois: RoIs
) -> list[RoIFeatures]:
    """Pools each box on its own level, as the detector does.

    Args:
        layers: One RoI layer per pyramid level.
        features: (N, C, H_l, W_l) per pyramid level.
        rois: The boxes.

    Returns:
        One element with all boxes in their order.
    """
    pooled: Tensor | float = 0.0
    for level in rois.used:
        own = (rois.levels == level)[:, None]
        # Boxes of other levels shrink to a point, which costs next to
        # nothing; to pick the level's own would wait for the device.
        boxes = torch.where(own, rois.boxes, 0)
        features_of = roi_align(layers[level], features[level], boxes)
        pooled = pooled + torch.where(own[..., None, None], features_of, 0)
    valid = torch.ones_like(rois.levels, dtype=torch.bool)
    return [RoIFeatures(pooled, valid)]


POOLING = {'all': pool_every_used_level, 'assigned': pool_own_level}


def merge_levels(
    embeddings: Sequence[Tensor], valid: Sequence[Tensor]
) -> Tensor:
    """Takes each row from the element in which it is valid.

    Args:
        embeddings: (R, D) per element of a pooling function's result.
        valid: (R,) bool per element; each row is valid in exactly one.

    Returns:
        (R, D).
    """
    if len(embeddings) == 1:
        return embeddings[0]
    return sum(
        torch.where(rows[:, None], embedding, 0)
        for embedding, rows in zip(embeddings, valid, strict=True)
    )


def tie(features: Sequence[Tensor]) -> Tensor:
    """A zero that depends on feature maps.

    Added to an embedding, it gives layers behind levels without any box a
    gradient of zero instead of none, which distributed training expects. It
    sums no value, so neither an overflow nor a NaN can leak in.

    Args:
        features: (N, C, H_l, W_l) per level.

    Returns:
        A float32 scalar, 0.
    """
    return sum((f[:0].float().sum() for f in features), torch.zeros(()))
