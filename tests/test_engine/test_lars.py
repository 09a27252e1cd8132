"""LARS against the published numbers and against a plain loop."""

import copy
import gc

import numpy as np
import pytest
import torch
from golden import inputs
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mmsoco.engine.optimizers import LARS
from mmsoco.engine.optimizers.lars import FlatBuffer
from mmsoco.registry import OPTIMIZERS


def naive_step(params, grads, velocities, lr, decay, trust, momentum=0.9):
    """One step by the formula, a tensor at a time, in float64."""
    for name, param in params.items():
        update = grads[name]
        if param.ndim > 1:
            update = update + decay * param
            norms = np.linalg.norm(param), np.linalg.norm(update)
            if min(norms) > 0:
                update = update * trust * norms[0] / norms[1]
        velocities[name] = momentum * velocities.get(name, 0) + update
        params[name] = param - lr * velocities[name]


def test_golden(golden):
    case = golden['lars']
    params = {
        name: nn.Parameter(
            torch.from_numpy(inputs.normal(f'param/{name}', shape))
        )
        for name, shape in case['shapes'].items()
    }
    optimizer = LARS(
        params.values(),
        lr=1.0,
        momentum=case['momentum'],
        weight_decay=case['weight_decay'],
    )
    for step, lr in enumerate(case['lr']):
        for name, param in params.items():
            grad = inputs.normal(f'grad/{name}/{step}', param.shape)
            param.grad = torch.from_numpy(grad)
        optimizer.param_groups[0]['lr'] = lr
        optimizer.step()
    for name, expected in case['params'].items():
        expected = torch.tensor(expected).view(params[name].shape)
        error = (params[name] - expected).abs().max() / expected.abs().max()
        assert error < 1e-6, name


@pytest.fixture
def layers():
    """Matrices, convolutions, vectors and a scalar, with gradients."""
    generator = torch.Generator().manual_seed(0)
    shapes = dict(fc=(3, 5), conv=(4, 2, 3, 3), bias=(7,), scale=())
    return {
        name: torch.randn(shape, generator=generator)
        for name, shape in shapes.items()
    }


def test_equals_plain_loop(layers):
    params = {name: nn.Parameter(t.clone()) for name, t in layers.items()}
    expected = {name: t.double().numpy() for name, t in layers.items()}
    optimizer = LARS(
        params.values(), lr=2.0, weight_decay=0.1, trust_coefficient=0.02
    )
    velocities = {}
    for step in range(4):
        grads = {
            name: (tensor * (step - 1.5)).sin()
            for name, tensor in layers.items()
        }
        for name, param in params.items():
            param.grad = grads[name].clone()
        optimizer.step()
        naive_step(
            expected,
            {name: grad.double().numpy() for name, grad in grads.items()},
            velocities,
            lr=2.0,
            decay=0.1,
            trust=0.02,
        )
    for name, param in params.items():
        np.testing.assert_allclose(
            param.detach().numpy(), expected[name], rtol=1e-5, atol=1e-6
        )


def test_leaves_gradients_and_frozen_parameters_alone(layers):
    trained = nn.Parameter(layers['fc'].clone())
    frozen = nn.Parameter(layers['conv'].clone(), requires_grad=False)
    trained.grad = torch.ones_like(trained)
    LARS([trained, frozen], lr=1.0).step()
    assert torch.equal(trained.grad, torch.ones_like(trained))
    assert torch.equal(frozen, layers['conv'])
    assert not torch.equal(trained, layers['fc'])


def test_zero_weights_still_learn():
    param = nn.Parameter(torch.zeros(2, 2))
    param.grad = torch.ones(2, 2)
    LARS([param], lr=0.5).step()
    assert torch.equal(param, torch.full((2, 2), -0.5))


def test_layers_with_a_zero_gradient_do_not_decay(layers):
    idle = nn.Parameter(layers['conv'].clone())
    busy = nn.Parameter(layers['fc'].clone())
    optimizer = LARS([idle, busy], lr=8.0, weight_decay=1e-5)
    for _ in range(20):
        idle.grad = torch.zeros_like(idle)
        busy.grad = torch.ones_like(busy)
        optimizer.step()
    assert torch.equal(idle, layers['conv'])
    assert not torch.equal(busy, layers['fc'])


def test_without_any_gradient_nothing_happens(layers):
    param = nn.Parameter(layers['fc'].clone())
    LARS([param], lr=1.0).step()
    assert torch.equal(param, layers['fc'])


def test_closure_is_evaluated():
    param = nn.Parameter(torch.ones(1))
    optimizer = LARS([param], lr=0.1)

    def closure():
        loss = (param * 3).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3
    assert param.item() == pytest.approx(1 - 0.1 * 3)


class CallCounter(TorchDispatchMode):
    """Counts operators as a GPU would run them.

    A multi-tensor operator is one call where all of its lists agree in
    sizes, strides and type; otherwise PyTorch takes the tensors one by one.
    """

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        lists = [a for a in args if isinstance(a, (list, tuple)) and len(a)]
        tensors = [x for x in lists if isinstance(x[0], torch.Tensor)]
        alike = all(
            (a.shape, a.stride(), a.dtype) == (b.shape, b.stride(), b.dtype)
            for other in tensors[1:]
            for a, b in zip(tensors[0], other, strict=True)
        )
        self.calls += 1 if alike else len(tensors[0])
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('is_paramwise', [False, True])
@pytest.mark.parametrize(
    'memory_format', [torch.contiguous_format, torch.channels_last]
)
def test_few_calls_and_no_wait_for_the_device(memory_format, is_paramwise):
    shapes = [(4, 4), (4,), (8, 4, 3, 3), (4, 8, 1, 1)] * 50
    params = [nn.Parameter(torch.randn(*shape)) for shape in shapes]
    for param in params:
        if param.ndim == 4:
            param.data = param.data.to(memory_format=memory_format)
        param.grad = torch.randn_like(param)
    groups = [dict(params=[param]) for param in params]
    optimizer = LARS(groups if is_paramwise else params, lr=0.1)
    optimizer.step()  # makes the velocities
    with CallCounter() as counter:
        optimizer.step()
    assert counter.calls < 30
    assert not any('_local_scalar_dense' in name for name in counter.names)


def test_groups_of_one_parameter_give_the_same_bits(layers):
    """Equal options are joined; others, and other types, are not."""
    kinds = dict(fc=dict(lr=0.3), conv=dict(weight_decay=0.2), bias={})
    tensors = {name: layers[name] for name in kinds} | dict(
        more=layers['conv'] + 1, last=layers['fc'].double()
    )
    alone = {n: nn.Parameter(t.clone()) for n, t in tensors.items()}
    groups = [
        dict(params=[param], **kinds.get(name, {}))
        for name, param in alone.items()
    ]
    joined = LARS(groups, lr=0.1)
    twins = {n: nn.Parameter(t.clone()) for n, t in tensors.items()}
    each = [
        LARS([param], **dict(lr=0.1) | kinds.get(name, {}))
        for name, param in twins.items()
    ]
    for step in range(3):
        for name, tensor in tensors.items():
            for param in (alone[name], twins[name]):
                param.grad = (tensor * (step - 0.5)).sin()
        for optimizer in (joined, *each):
            optimizer.step()
    for name, param in alone.items():
        assert torch.equal(param, twins[name])


def test_counter_sees_what_a_gpu_would_do_one_by_one():
    tensors = [torch.ones(2, 2) for _ in range(7)]
    with CallCounter() as counter:
        torch._foreach_mul_(tensors, list(torch.ones(7)))
    assert counter.calls >= 7


@pytest.mark.parametrize('shape', [(5,), (1024,), (3, 5, 7, 7), (40, 30)])
def test_buffer_scales_each_tensor_by_its_own_factor(shape):
    tensors = [torch.randn(shape), torch.randn(2, 600), torch.randn(1, 1)]
    if len(shape) == 4:
        tensors[0] = tensors[0].to(memory_format=torch.channels_last)
    memory = FlatBuffer(tensors)
    torch._foreach_copy_(memory.views, tensors)
    memory.scale(torch.tensor([2.0, -1.0, 0.5]))
    for view, tensor, factor in zip(
        memory.views, tensors, (2, -1, 0.5), strict=True
    ):
        assert view.stride() == tensor.stride()
        assert torch.equal(view, factor * tensor)


def test_state_round_trip(layers):
    params = [nn.Parameter(t.clone()) for t in layers.values()]
    optimizer = LARS(params, lr=0.1)
    for param in params:
        param.grad = torch.ones_like(param)
    optimizer.step()
    twins = [nn.Parameter(p.detach().clone()) for p in params]
    twin = LARS(twins, lr=0.1)
    twin.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for param in params + twins:
        param.grad = torch.full_like(param, 0.3)
    optimizer.step()
    twin.step()
    assert all(torch.equal(a, b) for a, b in zip(params, twins, strict=True))


@pytest.mark.parametrize('name', ['lr', 'momentum', 'weight_decay'])
def test_refuses_negative_values(name):
    settings = {'lr': 1.0, name: -0.1}
    with pytest.raises(ValueError, match=f'{name} >= 0.*got {name}=-0.1'):
        LARS([nn.Parameter(torch.ones(1))], **settings)


def test_is_registered():
    cfg = dict(type='LARS', params=[nn.Parameter(torch.ones(1))], lr=1.0)
    assert isinstance(OPTIMIZERS.build(cfg), LARS)


def test_buffers_of_parameters_that_are_gone_are_let_go():
    """They were kept by the ids of their parameters, for ever."""
    params = [nn.Parameter(torch.ones(7, 3)) for _ in range(3)]
    optimizer = LARS(params, lr=0.1)
    for used in ((0, 1, 2), (0, 1), (0, 1), (1, 2)):
        for number, param in enumerate(params):
            param.grad = torch.ones_like(param) if number in used else None
        optimizer.step()
        assert sizes_of_buffers((7, 3)) == [len(used)]


def sizes_of_buffers(shape: tuple) -> list[int]:
    """The numbers of views of all buffers for tensors of a shape."""
    gc.collect()
    buffers = [m for m in gc.get_objects() if type(m) is FlatBuffer]
    return [len(m.views) for m in buffers if m.views[0].shape == shape]
