"""Two processes whose boxes use other levels."""

import pytest
import torch
from uneven_ranks import backward, batch, build, gradients, run_rank

from mmsoco.models import roi_pooling


@pytest.mark.parametrize(
    ('roi_levels', 'pretexts'),
    [('all', []), ('assigned', []), ('assigned', [dict(type='RPNPretext')])],
    ids=['all', 'assigned', 'rpn'],
)
def test_gradients_are_the_mean_of_both(
    roi_levels, pretexts, tmp_path, monkeypatch
):
    arguments = (tmp_path, roi_levels, pretexts)
    # Forked: a spawned process would import torch and mmdet once more.
    torch.multiprocessing.start_processes(
        run_rank, arguments, nprocs=2, start_method='fork'
    )
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
        model = build(roi_levels, pretexts)
        backward(model, rank)
        alone.append(gradients(model))
    for name, gradient in alone[0].items():
        mean = (gradient + alone[1][name]) / 2
        for of_rank in found:
            torch.testing.assert_close(
                of_rank[name], mean, rtol=1e-4, atol=1e-5
            )
