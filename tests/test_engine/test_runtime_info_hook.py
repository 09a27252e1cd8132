"""Logged values reach the message hub: all, in order, and unchanged."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.logging import MessageHub

from mmsoco.engine.hooks import DeferredRuntimeInfoHook
from mmsoco.engine.hooks.runtime_info_hook import LoggedValues

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)]
OUTPUTS = [
    dict(loss=torch.tensor(-0.5), std=torch.tensor([0.25]), lr=0.1),
    dict(loss=torch.tensor(-1.5), std=torch.tensor([0.5]), lr=0.2),
    dict(loss=torch.tensor(-3.0), std=torch.tensor([0.75]), lr=0.3),
]


def new_runner(name):
    return SimpleNamespace(
        message_hub=MessageHub.get_instance(name),
        epoch=0,
        iter=0,
        max_epochs=1,
        max_iters=3,
        train_dataloader=SimpleNamespace(dataset=None),
    )


def run(hook, runner, device):
    """Yield after each iteration."""
    hook.before_train(runner)
    for i, outputs in enumerate(OUTPUTS):
        outputs = {
            k: v.to(device) if isinstance(v, torch.Tensor) else v
            for k, v in outputs.items()
        }
        hook.after_train_iter(runner, i, outputs=outputs)
        yield
    hook.after_train_epoch(runner)


def history(runner):
    scalars = runner.message_hub.log_scalars
    return {k: scalars[k].data[0].tolist() for k in scalars}


@pytest.mark.parametrize('device', DEVICES)
def test_an_epoch_leaves_what_mmengines_hook_leaves(request, device):
    histories = []
    for kind in (RuntimeInfoHook, DeferredRuntimeInfoHook):
        runner = new_runner(f'{request.node.name}-{kind.__name__}')
        assert len(list(run(kind(), runner, device))) == 3
        histories.append(history(runner))
    assert histories[0] == histories[1]
    assert histories[1]['train/loss'] == [-0.5, -1.5, -3.0]


@pytest.mark.parametrize('device', DEVICES)
def test_values_are_at_most_an_iteration_late(request, device):
    late = int(device == 'cuda')
    runner = new_runner(request.node.name)
    counts = [
        len(history(runner)['train/loss'])
        for _ in run(DeferredRuntimeInfoHook(), runner, device)
    ]
    assert counts == [1, 2 - late, 3 - late]


def test_values_under_way_are_kept_back(request, monkeypatch):
    """As on a GPU, with an event that tells when it is waited for."""
    waited = []

    class Travelling(LoggedValues):
        def __init__(self, outputs):
            super().__init__(outputs)
            self.is_travelling = True
            self._arrival = SimpleNamespace(
                synchronize=lambda: waited.append(outputs['lr'])
            )

    module = 'mmsoco.engine.hooks.runtime_info_hook.LoggedValues'
    monkeypatch.setattr(module, Travelling)
    runner = new_runner(request.node.name)
    seen = [
        list(waited) for _ in run(DeferredRuntimeInfoHook(), runner, 'cpu')
    ]
    assert seen == [[0.1], [0.1], [0.1, 0.2]]
    assert waited == [0.1, 0.2, 0.3]
    assert history(runner)['train/std'] == [0.25, 0.5, 0.75]


@pytest.mark.gpu
def test_a_value_of_the_host_among_those_of_a_gpu():
    values = dict(acc=torch.tensor(0.5), loss=torch.tensor(2.0).cuda())
    assert LoggedValues(values).arrived() == dict(acc=0.5, loss=2.0)


def test_numbers_alone():
    assert LoggedValues(dict(acc=3)).arrived() == dict(acc=3)
