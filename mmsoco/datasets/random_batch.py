"""Batches of noise in a config's shapes, to count and time steps with."""

from collections.abc import Sequence

import torch
from mmengine.config import Config

from mmsoco.structures import parse_pairs, roi_sets

from .transforms.views import parse_size

# sqrt(box area) / sqrt(view area) of the proposals' filter.
_MIN_SCALE, _MAX_SCALE = 0.3, 0.8


def view_sizes(cfg: Config) -> list[tuple[int, int]]:
    """Give the height and width of each view of a config's pipeline.

    Args:
        cfg: A pretraining config.

    Raises:
        ValueError: If it has no step that draws views.
    """
    for step in cfg.train_dataloader.dataset.pipeline:
        if 'views' in step:
            return [parse_size(view['size']) for view in step['views']]
    raise ValueError(
        f'{cfg.filename} draws no views; give a pretraining config'
    )


def random_batch(
    pairs: Sequence,
    sizes: Sequence[tuple[int, int]],
    num_images: int,
    num_proposals: int = 4,
) -> dict:
    """Make views and boxes, whose scales spread over the filter's range.

    Args:
        pairs: The pairs of views, see `mmsoco.structures.parse_pairs`.
        sizes: (height, width) of each view.
        num_images: Batch size B.
        num_proposals: Number K of boxes per RoI set.

    Returns:
        ``inputs``, (B, 3, h, w) float32 per view, and ``data_samples`` with
        ``bboxes``, (B, K, 4) per RoI set: what `SoCo` takes.
    """
    rng = torch.Generator().manual_seed(0)
    bboxes = []
    for rois in roi_sets(parse_pairs(pairs)):
        height, width = sizes[rois.view - 1]
        u = torch.rand(num_images, num_proposals, 3, generator=rng)
        side = _MIN_SCALE + (_MAX_SCALE - _MIN_SCALE) * u[..., 2:]
        start = u[..., :2] * (1 - side)
        boxes = torch.cat([start, start + side], dim=-1)
        bboxes.append(boxes * torch.tensor([width, height] * 2))
    views = [torch.rand(num_images, 3, *size, generator=rng) for size in sizes]
    return dict(inputs=views, data_samples=dict(bboxes=bboxes))
