"""When the target moves, and by how much."""

import math
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from torch import nn

from mmsoco.engine.hooks import TargetUpdateHook, target_momentum


def test_golden(golden):
    case = golden['ema_momentum']
    values = [
        target_momentum(step, case['total_iters'], case['base'])
        for step in range(case['total_iters'])
    ]
    assert values == pytest.approx(case['momentum'], rel=1e-6)
    assert target_momentum(10, 10, 0.99) == 1


class Model(nn.Module):
    """One weight, and a target that notes the momenta of its updates."""

    def __init__(self):
        super().__init__()
        self.online = nn.Parameter(torch.zeros(()))
        self.target = SimpleNamespace(update=self.update)
        self.momenta = []
        self.value = 0.0

    def update(self, momentum):
        self.momenta.append(momentum)
        self.value = (
            momentum * self.value + (1 - momentum) * self.online.item()
        )


def run(model, accumulated, max_iters, first=0, base=0.9):
    """Iterates as the training loop does, from iteration ``first``."""
    optimizer = torch.optim.SGD([model.online], lr=0.5)
    wrapper = OptimWrapper(optimizer, accumulative_counts=accumulated)
    wrapper.initialize_count_status(model, first, max_iters)
    hook = TargetUpdateHook(base_momentum=base)
    runner = SimpleNamespace(
        model=model,
        optim_wrapper=wrapper,
        max_iters=max_iters,
        message_hub=MessageHub.get_instance('target-update'),
    )
    hook.before_train(runner)
    for runner.iter in range(first, max_iters):
        wrapper.update_params((model.online - 1) ** 2)
        hook.after_train_iter(runner, runner.iter)
    return runner


def test_follows_a_plain_loop():
    model = Model()
    run(model, accumulated=1, max_iters=6)
    online = target = 0.0
    for k in range(1, 7):
        online -= 0.5 * 2 * (online - 1)
        momentum = 1 - 0.1 * (math.cos(math.pi * k / 6) + 1) / 2
        target = momentum * target + (1 - momentum) * online
    assert model.value == pytest.approx(target)


@pytest.mark.parametrize(
    ('accumulated', 'max_iters', 'steps'), [(1, 6, 6), (2, 6, 3), (4, 6, 2)]
)
def test_counts_optimizer_steps(accumulated, max_iters, steps):
    model = Model()
    run(model, accumulated, max_iters)
    expected = [target_momentum(k, steps, 0.9) for k in range(1, steps + 1)]
    assert model.momenta == pytest.approx(expected)


def test_goes_on_after_a_resume():
    whole, rest = Model(), Model()
    run(whole, accumulated=2, max_iters=10)
    run(rest, accumulated=2, max_iters=10, first=6)
    assert rest.momenta == whole.momenta[3:]


def test_logs_the_momentum():
    runner = run(Model(), accumulated=1, max_iters=3)
    logged = runner.message_hub.get_scalar('train/target_momentum').current()
    assert logged == 1


def test_refuses_a_model_without_target():
    runner = SimpleNamespace(model=nn.Linear(1, 1))
    with pytest.raises(TypeError, match='target network.*Linear.*Remove'):
        TargetUpdateHook().before_train(runner)


@pytest.mark.parametrize('momentum', [-0.01, 1.01])
def test_refuses_a_momentum_out_of_range(momentum):
    with pytest.raises(ValueError, match=r'in \[0, 1\].*share of the OLD'):
        TargetUpdateHook(base_momentum=momentum)
