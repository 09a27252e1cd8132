"""Options that change speed and memory against the plain model."""

import copy
import pickle

import pytest
import tiny_models
import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn

PREPROCESSOR = dict(type='SoCoDataPreprocessor', channels_last=True)


RPN = [dict(type='RPNPretext')]


def losses_and_gradients(model, batch=None):
    torch.manual_seed(0)  # of the anchors that the RPN draws
    batch = batch or tiny_models.batch(pretext_views=(1, 2))
    losses = model(**batch, mode='loss')
    total = tiny_models.total(losses)
    names, online = zip(
        *[(n, p) for n, p in model.named_parameters() if p.requires_grad],
        strict=True,
    )
    gradients = torch.autograd.grad(total, online)
    return total, dict(zip(names, gradients, strict=True))


def build(**options):
    return tiny_models.soco(tiny_models.mask_rcnn_fpn(), **options)


@pytest.fixture(scope='module', params=[[], RPN], ids=['alone', 'rpn'])
def pretexts(request):
    return request.param


@pytest.fixture(scope='module')
def plain(pretexts):
    return losses_and_gradients(build(pretexts=pretexts))


def assert_same(found, expected, tolerance=1e-4):
    torch.testing.assert_close(found[0], expected[0])
    for name, gradient in expected[1].items():
        torch.testing.assert_close(
            found[1][name], gradient, rtol=tolerance, atol=tolerance
        )


def test_recomputed_activations_give_the_same_gradients(plain, pretexts):
    parts = ['backbone.layer1', 'backbone.layer3', 'neck']
    model = build(recompute=parts, pretexts=pretexts)
    assert_same(losses_and_gradients(model), plain)


def test_recomputing_keeps_fewer_activations():
    sizes = []
    for names in ([], ['backbone.layer1', 'backbone.layer2']):
        model, kept = build(recompute=names), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, kept=kept: kept.append(t.nbytes) or t, lambda t: t
        ):
            model(**tiny_models.batch(), mode='loss')
        sizes.append(sum(kept))
    assert sizes[1] < 0.9 * sizes[0]


@pytest.mark.parametrize(
    'copied',
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: ExponentialMovingAverage(model).module,
    ],
)
def test_copies_recompute_with_their_own_layers(plain, pretexts, copied):
    """A copy computed with the original's layer, and pickling failed."""
    model = build(recompute=['backbone.layer1'], pretexts=pretexts)
    twin = copied(model)
    for weight in model.encoder.backbone.layer1.parameters():
        weight.data.add_(1.0)  # is of no concern to the copy
    for part in (
        twin.encoder, twin.projector, twin.predictor, twin.pretexts
    ):  # fmt: skip
        part.requires_grad_(True)
    assert_same(losses_and_gradients(twin), plain)


def test_unknown_part_to_recompute_is_named():
    with pytest.raises(AttributeError, match='layer9'):
        build(recompute=['backbone.layer9'])


def test_channels_last_changes_memory_not_values(plain, pretexts):
    model = build(data_preprocessor=PREPROCESSOR, pretexts=pretexts)
    # Random numbers fill memory in its order, so the start differs.
    model.load_state_dict(build(pretexts=pretexts).state_dict())
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert all(
        c.weight.is_contiguous(memory_format=torch.channels_last)
        for c in convs
    )
    batch = tiny_models.batch(pretext_views=(1, 2))
    batch['inputs'] = [
        v.to(memory_format=torch.channels_last) for v in batch['inputs']
    ]
    assert_same(losses_and_gradients(model, batch), plain)


def test_compiled_layers_compute_the_same():
    """Two views of one size: layers are traced anew for each other size."""
    pairs, size = [(1, 2)], 64
    found, expected = build(pairs=pairs), build(pairs=pairs)
    found.compile_parts(backend='eager')
    batch = tiny_models.batch(pairs, sizes=(size, size))
    assert_same(*(losses_and_gradients(m, batch) for m in (found, expected)))


@pytest.mark.slow
def test_compiled_layers_compute_the_same_at_all_sizes(plain, pretexts):
    model = build(pretexts=pretexts)
    model.compile_parts(backend='aot_eager')
    assert_same(losses_and_gradients(model), plain)


@pytest.mark.slow
@pytest.mark.parametrize('roi_levels', ['all', 'assigned'])
def test_all_options_together_train(roi_levels, pretexts):
    model = build(
        roi_levels=roi_levels,
        recompute=['backbone.layer1'],
        data_preprocessor=PREPROCESSOR,
        pretexts=pretexts,
    )
    twin = build(roi_levels=roi_levels, pretexts=pretexts)
    model.load_state_dict(twin.state_dict())
    model.compile_parts(backend='aot_eager')
    with torch.autocast('cpu', torch.bfloat16):
        together = losses_and_gradients(model)
    exact = losses_and_gradients(twin)
    assert together[0].item() == pytest.approx(exact[0].item(), abs=0.3)
    assert all(g.isfinite().all() for g in together[1].values())
