import math

import pytest
import torch

from mmsoco.models.gauges import effective_rank, retrieval_hit_rate


@pytest.mark.parametrize('dims', [1, 3, 8])
def test_effective_rank_of_orthogonal_rows_is_their_number(dims):
    basis = torch.linalg.qr(torch.randn(8, 8))[0][:dims]
    rows = basis.repeat(5, 1)
    assert effective_rank(rows).item() == pytest.approx(dims, rel=1e-5)


def test_effective_rank_of_one_direction_is_one():
    rows = torch.outer(torch.linspace(0.1, 2, 20), torch.arange(1.0, 7.0))
    assert effective_rank(rows).item() == pytest.approx(1, abs=1e-4)
    assert effective_rank(torch.zeros(4, 3)).item() == 0


def test_effective_rank_of_two_singular_values():
    # 3 and 1: shares 3/4 and 1/4
    rows = torch.diag(torch.tensor([3.0, 1.0]))
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(rows).item() == pytest.approx(math.exp(entropy))


def test_effective_rank_does_not_depend_on_scale_or_type():
    rows = torch.randn(30, 6)
    expected = effective_rank(rows).item()
    assert effective_rank(7 * rows).item() == pytest.approx(expected)
    low = effective_rank(rows.bfloat16()).item()
    assert low == pytest.approx(expected, rel=0.02)


def test_retrieval_finds_every_object_under_a_rotation_of_little_noise():
    rows = torch.eye(6)
    assert retrieval_hit_rate(rows, rows + 0.1).item() == 1


def test_retrieval_counts_both_directions():
    # Two swapped objects of four: half of the look-ups fail.
    rows = torch.eye(4)
    others = rows[[1, 0, 2, 3]]
    assert retrieval_hit_rate(rows, others).item() == 0.5


def test_retrieval_equals_a_naive_loop():
    torch.manual_seed(0)
    rows = torch.randn(12, 4)
    others = rows + torch.randn(12, 4)
    hits = []
    for a, b in ((rows, others), (others, rows)):
        for i in range(12):
            cosines = [
                float(torch.dot(a[i], b[j]) / a[i].norm() / b[j].norm())
                for j in range(12)
            ]
            hits.append(cosines.index(max(cosines)) == i)
    expected = sum(hits) / len(hits)
    assert retrieval_hit_rate(rows, others).item() == pytest.approx(expected)


def test_retrieval_of_collapsed_embeddings_is_zero():
    rows = torch.ones(5, 3)
    assert retrieval_hit_rate(rows, rows).item() == 0


def test_retrieval_refuses_other_objects():
    with pytest.raises(ValueError, match='same objects'):
        retrieval_hit_rate(torch.ones(5, 3), torch.ones(4, 3))
