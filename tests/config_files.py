"""The configs of the repository: read once, built without memory or small."""

import ast
import contextlib
import copy
import functools
from pathlib import Path
from unittest import mock

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from torch import nn

from mmsoco.registry import MODELS

CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
FILES = sorted(CONFIGS.rglob('*.py'))
# A leaf says how to run it; all others are bases.
LEAVES = [
    p
    for p in FILES
    if 'command:' in p.read_text()
    # Other methods and plans have their own tests, in test_comparison.
    and p.relative_to(CONFIGS).parts[0] not in ('baselines', 'comparison')
]
BENCHMARKS = [p for p in LEAVES if 'benchmarks' in p.parts]
PRETRAINING = [p for p in LEAVES if p.stem.startswith(('soco', 'byol'))]
FINETUNING = [p for p in LEAVES if p not in PRETRAINING + BENCHMARKS]
RECIPES = [p for p in LEAVES if 'demo' not in p.parts]


def short(path: Path) -> str:
    """Names a config in the output of pytest."""
    return str(path.relative_to(CONFIGS))


def fields(path: Path) -> dict[str, str]:
    """What the docstring of a leaf says under paper, hardware, ..."""
    found = {}
    name = None
    for line in ast.get_docstring(ast.parse(path.read_text())).split('\n'):
        head, colon, rest = line.partition(':')
        if colon and head.isidentifier() and not line.startswith(' '):
            name = head
            found[name] = rest.strip()
        elif name:
            found[name] += ' ' + line.strip()
    return found


@functools.cache
def read(path: Path) -> Config:
    """Reads a config; the caller must not change it."""
    return Config.fromfile(path)


def without_start(model: ConfigDict) -> dict:
    """A model without the weights it starts from, which build no layer."""
    model = model.to_dict()
    shared_head = (model.get('roi_head') or {}).get('shared_head')
    for part in (model['backbone'], shared_head or {}):
        start = part.pop('init_cfg', None)
        assert start is None or start['type'] == 'Pretrained', start
    return model


@contextlib.contextmanager
def on_meta():
    """Builds on torch's meta device: shapes, but no numbers."""
    # Swin and ConvNeXt read numbers out of torch.linspace.
    linspace = functools.partial(torch.linspace, device='cpu')
    with torch.device('meta'), mock.patch.object(torch, 'linspace', linspace):
        yield


_built: dict[str, nn.Module] = {}


def build_on_meta(model: ConfigDict) -> nn.Module:
    """Builds a model without memory, each kind once."""
    key = str(model)
    if key not in _built:
        with (
            DefaultScope.overwrite_default_scope('mmsoco'),
            on_meta(),
        ):
            _built[key] = MODELS.build(model)
    return _built[key]


def detector_on_meta(path: Path) -> nn.Module:
    """Builds the detector of a fine-tuning leaf without memory."""
    return build_on_meta(ConfigDict(without_start(read(path).model)))


def pretraining_on_meta(path: Path) -> nn.Module:
    """Builds the model of a pretraining leaf without memory."""
    return build_on_meta(read(path).model)


def shrink(detector: dict) -> dict:
    """Makes a detector small, layer by layer of the same kinds.

    Args:
        detector: Config of a detector; it is not changed.

    Returns:
        One with few channels and layers, of the same structure.
    """
    small = ConfigDict(copy.deepcopy(detector))
    channels = _shrink_backbone(small.backbone)
    if small.get('neck'):
        small.neck.update(in_channels=channels, out_channels=16)
        channels = [16]
    for head in ('rpn_head', 'bbox_head'):
        if small.get(head):
            small[head].update(in_channels=channels[-1], feat_channels=32)
    if small.get('roi_head'):
        _shrink_roi_head(small.roi_head, channels[-1])
        small.train_cfg.rpn_proposal.max_per_img = 10
        small.test_cfg.rpn.max_per_img = 10
        small.test_cfg.rcnn.max_per_img = 3
    return small


def _shrink_backbone(backbone: ConfigDict) -> list[int]:
    """Changes a backbone; gives the channels of its maps."""
    kind = backbone.type.rpartition('.')[2]
    if kind == 'SwinTransformer':
        backbone.update(
            embed_dims=8, depths=[1] * 4, num_heads=[1] * 4, window_size=4
        )
        return [8, 16, 32, 64]
    if kind == 'ConvNeXt':
        channels = [8, 16, 32, 64]
        backbone.arch = dict(depths=[1] * 4, channels=channels)
        return channels
    if kind == 'ResNeXt':
        # base_width * planes / 64 * groups channels within a block
        backbone.update(depth=50, base_channels=8, groups=2)
        return [32, 64, 128, 256]
    if backbone.get('num_stages') == 3:  # the fourth is in the head, full size
        backbone.update(depth=18, base_channels=64)
        return [64, 128, 256]
    # torch 2.13 crashes on CPUs in a strided 1x1 convolution of 8 channels
    # with channels-last memory.
    backbone.update(depth=18, base_channels=16)
    return [16, 32, 64, 128]


def _shrink_roi_head(roi_head: ConfigDict, channels: int) -> None:
    for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
        if roi_head.get(name):
            roi_head[name].out_channels = channels
    if roi_head.get('shared_head'):
        roi_head.shared_head.depth = 18
        channels = 512
    heads = roi_head.bbox_head
    for head in heads if isinstance(heads, list) else [heads]:
        head.in_channels = channels
        if head.type.startswith('Shared'):
            head.fc_out_channels = 32
        if head.type == 'Shared4Conv1FCBBoxHead':
            head.conv_out_channels = 16
    if roi_head.get('mask_head'):
        roi_head.mask_head.update(in_channels=channels, conv_out_channels=16)
