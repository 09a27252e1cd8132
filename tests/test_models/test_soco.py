"""The algorithm as a whole: steps, modes, variants, errors."""

import copy
import pickle

import pytest
import tiny_models
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from tiny_models import total
from torch.nn.modules.batchnorm import _BatchNorm

from mmsoco.models import SoCo, roi_pooling
from mmsoco.structures import RoISet, describe_sets, parse_pairs, roi_sets

STAR = tiny_models.STAR_PAIRS


@pytest.fixture(scope='module')
def model() -> SoCo:
    return tiny_models.soco(tiny_models.mask_rcnn_fpn(), STAR)


@pytest.mark.parametrize('roi_levels', ['all', 'assigned'])
@pytest.mark.parametrize('name', tiny_models.DETECTORS)
def test_one_step_trains_every_parameter(name, roi_levels):
    """Distributed training stops at a parameter without gradient."""
    cfg = tiny_models.DETECTORS[name]()
    model = tiny_models.soco(cfg, [(1, 2)], roi_levels=roi_levels).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = model(**tiny_models.batch([(1, 2)]), mode='loss')
    total(losses).backward()
    assert tiny_models.untrained(model) == []
    optimizer.step()
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_loss_is_the_sum_over_pairs_of_both_directions(model):
    batch = tiny_models.batch(STAR)
    model.eval()
    with torch.no_grad():
        losses = model(**batch, mode='loss')
        outputs = model(**batch)
        targets = model.target
        p, z = outputs['predictions'], {}
        for rois, boxes in zip(
            model.roi_sets, batch['data_samples']['bboxes'], strict=True
        ):
            features = targets.encoder(batch['inputs'][rois.view - 1])
            [assigned] = targets.encoder.assign([boxes])
            [[embedding]] = targets.encoder.embed(features, [assigned])
            z[rois] = targets.projector((embedding,))[0]
    model.train()
    for name, i, j in (
        ('loss_12', (1, (1, 2)), (2, (1, 2))),
        ('loss_13', (1, (1, 3)), (3, (1, 3))),
        ('loss_14', (1, (1, 2)), (4, (1, 2))),
    ):
        i, j = RoISet(*i), RoISet(*j)
        expected = -2 * F.cosine_similarity(p[i], z[j]).mean()
        expected -= 2 * F.cosine_similarity(p[j], z[i]).mean()
        torch.testing.assert_close(losses[name], expected)


def test_gauges_are_detached_and_no_loss(model):
    losses = model(**tiny_models.batch(STAR), mode='loss')
    for gauge in ('embedding_std', 'pair_cosine'):
        assert not losses[gauge].requires_grad
    mean = -total(losses) / 4 / 3  # two directions of weight 2, three pairs
    torch.testing.assert_close(losses['pair_cosine'], mean.detach())


def test_retrieval_is_that_of_a_double_loop():
    model = tiny_models.soco(tiny_models.mask_rcnn_fpn(), [(1, 2)])
    batch = tiny_models.batch([(1, 2)])
    found = model(**batch, mode='loss')['retrieval']
    one, two = model(**batch)['projections'].values()
    hits = 0
    for views in ((one, two), (two, one)):
        for row, embedding in enumerate(views[0]):
            cosines = F.cosine_similarity(embedding[None], views[1])
            hits += int(cosines.argmax() == row)
    assert found.item() == pytest.approx(hits / 2 / len(one), abs=1e-6)


def test_start_of_the_target_is_the_online_network(model):
    online = model.state_dict()
    for name, value in model.target.state_dict().items():
        assert torch.equal(value, online[name]), name


def test_each_view_is_encoded_once_per_branch(model, monkeypatch):
    sizes = []
    forward = type(model.encoder).forward

    def counted(self, images, finest):
        sizes.append(images.shape[-1])
        return forward(self, images, finest)

    monkeypatch.setattr(type(model.encoder), 'forward', counted)
    model(**tiny_models.batch(STAR, sizes=(64, 72, 80, 88)), mode='loss')
    assert sizes == [64, 72, 80, 88] * 2


def test_a_view_of_no_pair_is_not_encoded():
    model = tiny_models.soco(tiny_models.mask_rcnn_fpn(), [(1, 3)])
    sizes = []
    model.encoder.backbone.register_forward_pre_hook(
        lambda _, inputs: sizes.append(inputs[0].shape[-1])
    )
    model(**tiny_models.batch([(1, 3)], sizes=(64, 72, 80)), mode='loss')
    assert sizes == [64, 80]


def test_step_leaves_the_target_and_update_moves_it():
    model = tiny_models.soco(
        tiny_models.mask_rcnn_fpn(), [(1, 2)], data_preprocessor=None
    )
    before = copy.deepcopy(dict(model.target.named_parameters()))
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    log = model.train_step(tiny_models.batch([(1, 2)]), wrapper)
    gauges = {'embedding_std', 'pair_cosine', 'retrieval'}
    assert {'loss', 'loss_12'} | gauges == set(log)
    for name, parameter in model.target.named_parameters():
        assert torch.equal(parameter, before[name])
    model.target.update(0.9)
    weight = model.target.projector.fc0.weight
    assert not torch.equal(weight, before['projector.fc0.weight'])


def test_bf16_autocast_gives_close_losses(model):
    batch = tiny_models.batch(STAR)
    with torch.no_grad():
        exact = model(**batch, mode='loss')
        with torch.autocast('cpu', torch.bfloat16):
            half = model(**batch, mode='loss')
    assert half['loss_12'].dtype == torch.float32
    assert total(half).item() == pytest.approx(total(exact).item(), abs=0.5)


@pytest.mark.parametrize('pretexts', [[], [dict(type='RPNPretext')]])
def test_bf16_autocast_trains(pretexts):
    model = tiny_models.soco(
        tiny_models.mask_rcnn_fpn(), [(1, 2)], pretexts=pretexts
    )
    batch = tiny_models.batch([(1, 2)], pretext_views=(1, 2))
    with torch.autocast('cpu', torch.bfloat16):
        losses = model(**batch, mode='loss')
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    total(losses).backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize('num_boxes', [1, 16])
def test_any_number_of_proposals(model, num_boxes):
    losses = model(**tiny_models.batch(STAR, num_boxes=num_boxes), mode='loss')
    assert torch.isfinite(total(losses))


def test_copies_are_independent_and_equal(model):
    batch = tiny_models.batch(STAR)
    expected = total(copy.deepcopy(model)(**batch, mode='loss'))
    twin = pickle.loads(pickle.dumps(model))
    torch.testing.assert_close(total(twin(**batch, mode='loss')), expected)


def test_projector_input_comes_from_the_detector():
    model = tiny_models.soco(tiny_models.mask_rcnn_c4(), [(1, 2)])
    assert model.projector.fc0.in_features == 512
    model = tiny_models.soco(tiny_models.faster_rcnn(), [(1, 2)])
    assert model.projector.fc0.in_features == 32


def test_refuses_a_batch_of_other_pairs(model):
    with pytest.raises(ValueError, match='4 views and 5 sets of boxes, got 3'):
        model(**tiny_models.batch([(1, 2), (1, 3)]), mode='loss')


def test_refuses_the_same_pairs_in_another_order(model):
    """View 2's boxes trained on view 3, since only numbers were compared."""
    pairs = [(1, 2), (1, 3)]
    model = tiny_models.soco(tiny_models.mask_rcnn_fpn(), pairs)
    batch = tiny_models.batch(pairs)
    for order, fits in ((pairs, True), (pairs[::-1], False)):
        text = describe_sets(roi_sets(parse_pairs(order)))
        batch['data_samples']['roi_sets'] = [text] * 2
        if fits:
            model(**batch, mode='loss')
            continue
        with pytest.raises(ValueError, match='in the same order'):
            model(**batch, mode='loss')


def test_refuses_unknown_mode(model):
    with pytest.raises(ValueError, match="got 'predict'"):
        model(**tiny_models.batch(STAR), mode='predict')


@pytest.mark.parametrize('roi_levels', ['all', 'assigned'])
def test_ranks_run_the_same_norms_though_their_boxes_differ(
    roi_levels, monkeypatch
):
    """Synchronized norms wait for each other, forward and backward."""
    batches = [tiny_models.batch(sizes=(224, 224, 112)) for _ in range(2)]
    for batch, side in zip(batches, (30, 200), strict=True):
        for boxes in batch['data_samples']['bboxes'][:2]:
            boxes[:] = torch.tensor([2, 2, 2 + side, 2 + side])
    used, runs = [], []
    monkeypatch.setattr(
        roi_pooling, 'all_reduce', lambda levels, op: used.append(levels)
    )
    for batch in batches:  # what each rank would bring to the reduction
        model = tiny_models.soco(tiny_models.mask_rcnn_fpn())
        model.encoder.assign(batch['data_samples']['bboxes'])
    assert not torch.equal(*used)
    on_any = torch.maximum(*used)
    monkeypatch.setattr(
        roi_pooling, 'all_reduce', lambda levels, op: levels.copy_(on_any)
    )
    for batch in batches:
        model = tiny_models.soco(
            tiny_models.mask_rcnn_fpn(), roi_levels=roi_levels
        )
        runs.append(order_of_norms(model, batch))
    assert runs[0] == runs[1]


def order_of_norms(model: SoCo, batch: dict) -> list[str]:
    """The norms of a step in the order of their runs, both ways."""
    order = []

    def note(name: str, output: torch.Tensor) -> None:
        order.append(f'{name} forward')
        if output.requires_grad:
            output.register_hook(lambda _: order.append(f'{name} backward'))

    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm):
            module.register_forward_hook(
                lambda _, inputs, output, n=name: note(n, output)
            )
    total(model(**batch, mode='loss')).backward()
    return order


def test_input_is_that_of_the_detector():
    cfg = tiny_models.mask_rcnn_fpn()
    cfg['data_preprocessor'].update(
        mean=[103.53, 116.28, 123.675], std=[1.0] * 3, bgr_to_rgb=False
    )
    own = dict(type='SoCoDataPreprocessor')
    model = tiny_models.soco(cfg, data_preprocessor=own)
    assert model.input_convention == (
        'BGR',
        (103.53, 116.28, 123.675),
        (1.0, 1.0, 1.0),
    )
    with pytest.raises(ValueError, match='gives BGR, mean 1 2 3.*gets BGR'):
        tiny_models.soco(cfg, data_preprocessor={**own, 'mean': (1, 2, 3)})
