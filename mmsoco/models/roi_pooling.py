"""From boxes on a view to RoI features on the levels of a pyramid."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmcv.ops import RoIAlign
from mmengine.dist import all_reduce
from torch import Tensor, nn


class AssignedRoIs(NamedTuple):
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


class PooledRoIs(NamedTuple):
    """RoI features of one RoI set that share batch-norm statistics.

    Attributes:
        features: (R, C, h, w) float32.
        valid: (R,) bool, the rows whose embeddings count.
    """

    features: Tensor
    valid: Tensor


def index_boxes(bboxes: Tensor) -> Tensor:
    """Put the image index before each box.

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
    levels: Sequence[Tensor], num_levels: int
) -> list[tuple[int, ...]]:
    """List the levels that hold a box of each set, on any rank.

    All ranks get the same answer, by one small collective for all sets: the
    levels decide which layers run and which have a backward pass. If ranks
    disagreed about that, the collectives of synchronized batch norm would
    meet the wrong partners, or none.

    Args:
        levels: (R,) int64 per RoI set.
        num_levels: Number of pyramid levels.

    Returns:
        The used levels of each set, ascending.
    """
    numbers = torch.arange(num_levels, device=levels[0].device)
    is_used = torch.stack(
        [(own[:, None] == numbers).any(dim=0) for own in levels]
    ).int()  # (number of sets, num_levels)
    all_reduce(is_used, op='max')
    return [
        tuple(level for level, used in enumerate(row) if used)
        for row in is_used.tolist()
    ]


@functools.cache
def mmcv_has_roi_align(device_type: str) -> bool:
    """Return whether mmcv's RoIAlign was compiled for a type of device."""
    try:
        RoIAlign(1)(
            torch.zeros(1, 1, 2, 2, device=device_type),
            torch.zeros(1, 5, device=device_type),
        )
    except RuntimeError:
        return False
    return True


def roi_align(layer: RoIAlign, feature: Tensor, boxes: Tensor) -> Tensor:
    """Pool boxes from one feature map, in float32 also under autocast.

    Positions in half precision would be off by whole pixels. torchvision's
    operator takes over where mmcv's was not compiled for the device.

    Args:
        layer: The RoI layer of the feature map's level.
        feature: (N, C, H, W), any floating type or memory format.
        boxes: (R, 5) float32, see `AssignedRoIs`.

    Returns:
        (R, C, h, w) float32.
    """
    device_type = feature.device.type
    layer.use_torchvision = not mmcv_has_roi_align(device_type)
    with torch.autocast(device_type, enabled=False):
        return layer(feature.float().contiguous(), boxes)


def pool_every_used_level(
    layers: nn.ModuleList,
    features: Sequence[Tensor],
    sets: Sequence[AssignedRoIs],
) -> list[list[PooledRoIs]]:
    """Pool every box of a set on each level that the set uses.

    This keeps the batch-norm statistics of the published code, which runs
    every box through every level and drops the embeddings of all but the
    box's own level. A level without any box gives embeddings that are all
    dropped, so to skip it changes no gradient.

    Args:
        layers: One RoI layer per pyramid level.
        features: (N, C, H_l, W_l) per pyramid level.
        sets: The RoI sets of one view.

    Returns:
        Per set, one element for each level that it uses.
    """
    pooled: list[list[PooledRoIs]] = [[] for _ in sets]
    for level in _union(sets):
        users = [n for n, rois in enumerate(sets) if level in rois.used]
        boxes = [sets[n].boxes for n in users]
        rows = roi_align(layers[level], features[level], torch.cat(boxes))
        for n, own in zip(users, _split_like(rows, boxes), strict=True):
            valid = sets[n].levels == level
            pooled[n].append(PooledRoIs(own, valid))
    return pooled


def pool_own_level(
    layers: nn.ModuleList,
    features: Sequence[Tensor],
    sets: Sequence[AssignedRoIs],
) -> list[list[PooledRoIs]]:
    """Pool each box on its own level, as the detector does.

    Args:
        layers: One RoI layer per pyramid level.
        features: (N, C, H_l, W_l) per pyramid level.
        sets: The RoI sets of one view.

    Returns:
        Per set, one element with all boxes in their order.
    """
    boxes = torch.cat([rois.boxes for rois in sets])
    levels = torch.cat([rois.levels for rois in sets])
    pooled: Tensor | float = 0.0
    for level in _union(sets):
        own = (levels == level)[:, None]
        # Boxes of other levels shrink to a point, which costs next to
        # nothing; to pick the level's own would wait for the device.
        points = torch.where(own, boxes, 0)
        features_of = roi_align(layers[level], features[level], points)
        pooled = pooled + torch.where(own[..., None, None], features_of, 0)
    rows = _split_like(pooled, [rois.boxes for rois in sets])
    return [
        [PooledRoIs(own, torch.ones_like(rois.levels, dtype=torch.bool))]
        for own, rois in zip(rows, sets, strict=True)
    ]


def _union(sets: Sequence[AssignedRoIs]) -> list[int]:
    """Return the levels that any set uses, ascending."""
    return sorted({level for rois in sets for level in rois.used})


def _split_like(rows: Tensor, parts: Sequence[Tensor]) -> Sequence[Tensor]:
    """Undo the concatenation of parts along the first dimension."""
    return rows.split([len(part) for part in parts])


POOLING = {'all': pool_every_used_level, 'assigned': pool_own_level}


def merge_levels(
    embeddings: Sequence[Tensor], valid: Sequence[Tensor]
) -> Tensor:
    """Take each row from the element in which it is valid.

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
    """Return a zero that depends on feature maps.

    Added to an embedding, it gives layers behind levels without any box a
    gradient of zero instead of none, which distributed training expects. It
    sums no value, so neither an overflow nor a NaN can leak in.

    Args:
        features: (N, C, H_l, W_l) per level.

    Returns:
        A float32 scalar, 0.
    """
    return sum((f[:0].float().sum() for f in features), torch.zeros(()))
