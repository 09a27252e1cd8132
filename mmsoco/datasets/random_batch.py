"""Make random batches in a config's shapes, to count or time steps."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor

from mmsoco.structures import parse_pairs, roi_sets

from .transforms.views import parse_size

# sqrt(box area) / sqrt(view area) of the proposals' filter.
_MIN_SCALE, _MAX_SCALE = 0.3, 0.8
# Proposals of an image after the paper's filter.
_NUM_OF_IMAGE = 25
# Boxes per RoI set, as in the recipes.
_NUM_OF_SET = 4


def view_sizes(cfg: Config) -> list[tuple[int, int]]:
    """Return the height and width of each view of a config's pipeline.

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
    pretext_views: Sequence[int] = (),
) -> dict:
    """Make views, and boxes with scales from the whole range of the filter.

    Args:
        pairs: The pairs of views, see `mmsoco.structures.parse_pairs`.
        sizes: (height, width) of each view.
        num_images: Batch size B.
        pretext_views: The views of the model's pretexts.

    Returns:
        ``inputs``, (B, 3, h, w) float32 per view, and ``data_samples`` with
        ``bboxes``, (B, 4, 4) per RoI set, and ``proposals`` and
        ``num_proposals`` of the views of pretexts, as `SoCo` takes them.
    """
    rng = torch.Generator().manual_seed(0)
    bboxes = [
        _random_boxes(num_images, _NUM_OF_SET, sizes[rois.view - 1], rng)
        for rois in roi_sets(parse_pairs(pairs))
    ]
    views = [torch.rand(num_images, 3, *size, generator=rng) for size in sizes]
    proposals = {
        view: F.pad(
            _random_boxes(num_images, _NUM_OF_IMAGE, sizes[view - 1], rng),
            (0, 1),
            value=1.0,
        )
        for view in pretext_views
    }
    counts = torch.full((num_images,), _NUM_OF_IMAGE)
    samples = dict(
        bboxes=bboxes,
        proposals=proposals,
        num_proposals=dict.fromkeys(proposals, counts),
    )
    return dict(inputs=views, data_samples=samples)


def _random_boxes(
    num_images: int,
    num_boxes: int,
    size: tuple[int, int],
    rng: torch.Generator,
) -> Tensor:
    """Return (num_images, num_boxes, 4) boxes in a view of (h, w) pixels."""
    u = torch.rand(num_images, num_boxes, 3, generator=rng)
    side = _MIN_SCALE + (_MAX_SCALE - _MIN_SCALE) * u[..., 2:]
    start = u[..., :2] * (1 - side)
    boxes = torch.cat([start, start + side], dim=-1)
    return boxes * torch.tensor([size[1], size[0]] * 2)
