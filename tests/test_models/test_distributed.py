"""Two processes whose boxes use other levels."""

from pathlib import Path

import pytest
import tiny_models
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from mmsoco.models import SoCo, roi_pooling

# Sides of the boxes on views 1 and 2: P2 alone, and P5 alone. View 3 has P2,
# so that no process uses P3 and P4.
SIDES = (30, 200)


def build(roi_levels: str) -> SoCo:
    return tiny_models.soco(tiny_models.mask_rcnn_fpn(), roi_levels=roi_levels)


def batch(rank: int) -> dict:
    batch = tiny_models.batch(sizes=(224, 224, 112), seed=rank)
    *others, last = batch['data_samples']['bboxes']
    for boxes in others:
        boxes[:] = 5 + SIDES[rank] * torch.tensor([0, 0, 1, 1])
    last[:] = 5 + SIDES[0] * torch.tensor([0, 0, 1, 1])
    return batch


def backward(model: torch.nn.Module, rank: int) -> None:
    losses = model(**batch(rank), mode='loss')
    sum(v for k, v in losses.items() if k.startswith('loss')).backward()


def gradients(model: SoCo) -> dict[str, torch.Tensor]:
    return {n: p.grad for n, p in model.named_parameters() if p.requires_grad}


def run_rank(rank: int, folder: Path, roi_levels: str) -> None:
    """Two steps: the second stops if a parameter had no gradient."""
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2
    )
    model = DistributedDataParallel(build(roi_levels), broadcast_buffers=False)
    for _ in range(2):
        model.zero_grad()
        backward(model, rank)
    torch.save(gradients(model.module), folder / f'{rank}.pth')
    dist.destroy_process_group()


@pytest.mark.parametrize('roi_levels', ['all', 'assigned'])
def test_gradients_are_the_mean_of_both(roi_levels, tmp_path, monkeypatch):
    torch.multiprocessing.spawn(run_rank, (tmp_path, roi_levels), nprocs=2)
    found = [
        torch.load(tmp_path / f'{rank}.pth', weights_only=True)
        for rank in range(2)
    ]

    brought = []
    monkeypatch.setattr(
        roi_pooling, 'all_reduce', lambda levels, op: brought.append(levels)
    )
    for rank in range(2):
        build('all').encoder.assign(batch(rank)['data_samples']['bboxes'])
    union = torch.maximum(*brought)
    monkeypatch.setattr(
        roi_pooling, 'all_reduce', lambda levels, op: levels.copy_(union)
    )
    alone = []
    for rank in range(2):
        model = build(roi_levels)
        backward(model, rank)
        alone.append(gradients(model))
    for name, gradient in alone[0].items():
        mean = (gradient + alone[1][name]) / 2
        for of_rank in found:
            torch.testing.assert_close(
                of_rank[name], mean, rtol=1e-4, atol=1e-5
            )
