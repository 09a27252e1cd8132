"""The loss against a double loop written from the paper's equation."""

import math

import pytest
import torch

from mmsoco.models.contrast_head import (
    ContrastHead,
    embedding_std,
    mean_cosine,
)


def naive_direction(
    prediction: torch.Tensor, target: torch.Tensor, num_images: int
) -> float:
    """Mean over the proposals of an image, then over images, in Python."""
    per_image = []
    for p_rows, z_rows in zip(
        prediction.chunk(num_images), target.chunk(num_images), strict=True
    ):
        losses = []
        for p, z in zip(p_rows.tolist(), z_rows.tolist(), strict=True):
            dot = sum(a * b for a, b in zip(p, z, strict=True))
            losses.append(-2 * dot / (math.hypot(*p) * math.hypot(*z)))
        per_image.append(sum(losses) / len(losses))
    return sum(per_image) / num_images


def embeddings(num: int, dims: int = 5) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(num)
    return [torch.randn(num, dims, generator=rng) for _ in range(4)]


def pair_loss(p, z, head=None):
    """Loss and cosine of one pair of views."""
    head = head or ContrastHead()
    losses, cosine = head(torch.stack(p)[None], torch.stack(z)[None])
    return losses[0], cosine


@pytest.mark.parametrize(('num_images', 'num_boxes'), [(1, 1), (3, 4), (2, 7)])
def test_loss_equals_double_loop(num_images, num_boxes):
    p_i, p_j, z_i, z_j = embeddings(num_images * num_boxes)
    loss, cosine = pair_loss((p_i, p_j), (z_i, z_j))
    expected = naive_direction(p_i, z_j, num_images) + naive_direction(
        p_j, z_i, num_images
    )
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert cosine.item() == pytest.approx(-expected / 4, abs=1e-6)


def test_loss_of_equal_and_opposite_embeddings():
    p = embeddings(6)[0]
    assert pair_loss((p, p), (p, p))[0].item() == pytest.approx(-4)
    assert pair_loss((p, p), (-p, -p))[0].item() == pytest.approx(4)


def test_all_pairs_at_once_equal_each_alone():
    first, second = embeddings(4), embeddings(4)[::-1]
    p = torch.stack([torch.stack(own[:2]) for own in (first, second)])
    z = torch.stack([torch.stack(own[2:]) for own in (first, second)])
    losses, cosine = ContrastHead()(p, z)
    alone = [pair_loss(own[:2], own[2:]) for own in (first, second)]
    torch.testing.assert_close(losses, torch.stack([a[0] for a in alone]))
    assert cosine.item() == pytest.approx(sum(a[1].item() for a in alone) / 2)


@pytest.mark.parametrize('weight', [0, -2, math.inf, math.nan, [2], '2'])
def test_weight_that_teaches_nothing_is_refused(weight):
    """0 trained in silence, and infinity was blamed on the rate."""
    with pytest.raises(ValueError, match=r'loss_weight.*above 0, got'):
        ContrastHead(weight)


def test_loss_weight_scales():
    p_i, p_j, z_i, z_j = embeddings(4)
    one = pair_loss((p_i, p_j), (z_i, z_j), ContrastHead(1.0))[0]
    two = pair_loss((p_i, p_j), (z_i, z_j), ContrastHead(2.0))[0]
    torch.testing.assert_close(two, 2 * one)


def test_mean_over_ranks_equals_the_whole_batch():
    p_i, p_j, z_i, z_j = embeddings(8)
    whole = pair_loss((p_i, p_j), (z_i, z_j))[0]
    halves = [slice(0, 4), slice(4, 8)]
    ranks = [pair_loss((p_i[s], p_j[s]), (z_i[s], z_j[s]))[0] for s in halves]
    torch.testing.assert_close(torch.stack(ranks).mean(), whole)


def test_half_precision_is_computed_in_float32():
    p, _, z, _ = embeddings(4)
    half = mean_cosine(p.bfloat16(), z.bfloat16())
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(mean_cosine(p, z).item(), abs=1e-2)


def test_gradient_descends():
    p = torch.nn.Parameter(embeddings(6)[0])
    z = embeddings(6)[1]
    losses = []
    for _ in range(20):
        loss = pair_loss((p, p), (z, z))[0]
        p.grad = None
        loss.backward()
        p.data -= 0.5 * p.grad
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)


def test_embedding_std_of_isotropic_and_collapsed_embeddings():
    rng = torch.Generator().manual_seed(0)
    isotropic = torch.randn(4096, 32, generator=rng)
    assert embedding_std(isotropic).item() == pytest.approx(1, abs=0.02)
    assert embedding_std(torch.ones(8, 32)).item() == pytest.approx(0)
