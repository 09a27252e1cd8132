"""Two processes whose boxes use other levels of the pyramid."""

from pathlib import Path

import tiny_models
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from mmsoco.models import SoCo

# Sides of the boxes on views 1 and 2: P2 alone, and P5 alone. View 3 has P2,
# so that no process uses P3 and P4.
SIDES = (30, 200)


def build(roi_levels: str, pretexts: list = ()) -> SoCo:
    return tiny_models.soco(
        tiny_models.mask_rcnn_fpn(), roi_levels=roi_levels, pretexts=pretexts
    )


def batch(rank: int) -> dict:
    batch = tiny_models.batch(
        sizes=(224, 224, 112), seed=rank, pretext_views=(1, 2)
    )
    *others, last = batch['data_samples']['bboxes']
    for boxes in others:
        boxes[:] = 5 + SIDES[rank] * torch.tensor([0, 0, 1, 1])
    last[:] = 5 + SIDES[0] * torch.tensor([0, 0, 1, 1])
    return batch


def backward(model: torch.nn.Module, rank: int) -> None:
    torch.manual_seed(rank)  # of the anchors that the RPN draws
    losses = model(**batch(rank), mode='loss')
    tiny_models.total(losses).backward()


def gradients(model: SoCo) -> dict[str, torch.Tensor]:
    return {n: p.grad for n, p in model.named_parameters() if p.requires_grad}


def run_rank(rank: int, folder: Path, roi_levels: str, pretexts: list) -> None:
    """Two steps: the second stops if a parameter had no gradient."""
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2
    )
    model = DistributedDataParallel(
        build(roi_levels, pretexts), broadcast_buffers=False
    )
    for _ in range(2):
        model.zero_grad()
        backward(model, rank)
    torch.save(gradients(model.module), folder / f'{rank}.pth')
    dist.destroy_process_group()
