"""The moving copy against a plain loop."""

import copy
import pickle

import pytest
import torch
from torch import nn

from mmsoco.models import TargetNetwork


@pytest.fixture
def online() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    return encoder, nn.Linear(4, 2)


def perturb(*modules: nn.Module) -> None:
    for module in modules:
        for parameter in module.parameters():
            parameter.data += torch.randn_like(parameter)


@pytest.mark.parametrize('momentum', [0.0, 0.5, 0.99, 1.0])
def test_update_equals_plain_loop(online, momentum):
    target = TargetNetwork(*online)
    perturb(*online)
    expected = [
        momentum * own.data + (1 - momentum) * new.data
        for own, new in zip(
            [*target.encoder.parameters(), *target.projector.parameters()],
            [*online[0].parameters(), *online[1].parameters()],
            strict=True,
        )
    ]
    target.update(momentum)
    for own, value in zip(target.parameters(), expected, strict=True):
        torch.testing.assert_close(own.data, value)


def test_starts_as_a_copy_and_needs_no_gradient(online):
    target = TargetNetwork(*online)
    perturb(*online)
    target.init_weights()
    for name, value in online[0].state_dict().items():
        assert torch.equal(target.encoder.state_dict()[name], value)
    assert not any(p.requires_grad for p in target.parameters())


def test_update_leaves_running_statistics(online):
    target = TargetNetwork(*online)
    online[0](torch.randn(2, 3, 5, 5))
    target.update(0.5)
    assert torch.equal(target.encoder[1].running_mean, torch.zeros(4))


def test_online_modules_are_no_children(online):
    target = TargetNetwork(*online)
    assert {name for name, _ in target.named_children()} == {
        'encoder',
        'projector',
    }


@pytest.mark.parametrize('momentum', [-0.1, 1.1])
def test_refuses_momentum_outside_of_0_and_1(online, momentum):
    with pytest.raises(ValueError, match='share of the target'):
        TargetNetwork(*online).update(momentum)


def test_copies_follow_their_own_online_network(online):
    model = nn.ModuleDict(dict(encoder=online[0], projector=online[1]))
    model['target'] = TargetNetwork(*online)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        perturb(twin['encoder'], twin['projector'])
        twin['target'].update(0.0)
        for own, new in zip(
            twin['target'].encoder.parameters(),
            twin['encoder'].parameters(),
            strict=True,
        ):
            assert torch.equal(own, new)
