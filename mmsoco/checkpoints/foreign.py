"""Rename exported weights for the detectors of detectron2 and torchvision."""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmsoco.structures import InputConvention

from .layouts import Layer, ResNet, Table, find_resnet, rename, table_of
from .load_report import part_of, preview

# mmdet's layers of an RPN with one convolution, and detectron2's.
_RPN2 = {
    'rpn_conv': 'conv',
    'rpn_cls': 'objectness_logits',
    'rpn_reg': 'anchor_deltas',
}
# The layers of one with two convolutions, and torchvision's.
_RPN_TV = {
    'rpn_conv.0.conv': 'conv.0.0',
    'rpn_conv.1.conv': 'conv.1.0',
    'rpn_cls': 'cls_logits',
    'rpn_reg': 'bbox_pred',
}
_NECK = {'lateral_convs': 'lateral', 'fpn_convs': 'output'}


class ConvNames(NamedTuple):
    """A convolution with its norm or bias.

    Attributes:
        source: mmdet's name of both together.
        conv: The convolution's new name.
        norm: The norm's new name.
    """

    source: str
    conv: str
    norm: str


def _conv_modules(
    convs: Iterator[ConvNames], names: Mapping[str, Tensor]
) -> Iterator[Layer]:
    """Return convolutions with a norm, or with a bias instead."""
    for source, conv, norm in convs:
        if f'{source}.conv.bias' in names:
            yield Layer(f'{source}.conv', conv, 'linear')
        else:
            yield Layer(f'{source}.conv', conv, 'conv')
            yield Layer(f'{source}.bn', norm, 'norm')


def _modules(pattern: str, names: Mapping[str, Tensor]) -> Iterator[str]:
    """Return the modules of a list that have weights, from number 0."""
    for number in count():
        name = pattern.format(number)
        if not any(key.startswith(f'{name}.') for key in names):
            return
        yield name


def _resnet(
    resnet: ResNet, state: Mapping[str, Tensor], new_name: Callable
) -> Iterator[Layer]:
    """Return the ResNet's layers, in the backbone or (C4) in the RoI head."""
    for name, kind in resnet.layers():
        in_head = f'roi_head.shared_head.{name}.weight' in state
        part = 'roi_head.shared_head' if in_head else 'backbone'
        yield Layer(f'{part}.{name}', new_name(name, in_head), kind)


def _rpn(
    state: Mapping[str, Tensor], names: Mapping[str, str], theirs: str
) -> Iterator[Layer]:
    """Return the RPN's layers, if the weights have one."""
    if any(part_of(name) == 'rpn_head' for name in state):
        for own, name in names.items():
            yield Layer(f'rpn_head.{own}', f'{theirs}.{name}', 'linear')


def _detectron2_resnet(is_c4: bool) -> Callable[[str, bool], str]:
    body = 'backbone' if is_c4 else 'backbone.bottom_up'

    def new_name(name: str, in_head: bool) -> str:
        """Return detectron2's name of a layer of the trunk."""
        layer, _, rest = name.partition('.')
        if not layer.startswith('layer'):
            return f'{body}.stem.conv1' + '.norm' * (layer == 'bn1')
        block, _, rest = rest.partition('.')
        rest = rest.replace('downsample.0', 'shortcut')
        rest = rest.replace('downsample.1', 'shortcut.norm')
        if rest.startswith('bn'):
            rest = f'conv{rest[2:]}.norm'
        stage = f'res{int(layer[-1]) + 1}'
        return f'{"roi_heads" if in_head else body}.{stage}.{block}.{rest}'

    return new_name


def input_for_detectron2(convention: InputConvention) -> dict:
    """Return the input settings that detectron2 needs for the weights.

    Args:
        convention: The input that the weights were trained on.

    Returns:
        Plain values for the meta of the file.
    """
    return dict(
        convention.to_meta(),
        format=f'{convention.channels}, 0 to 255, before normalization',
        stride_of_bottleneck='in its 3x3 convolution',
    )


def check_input_of_torchvision(convention: InputConvention) -> None:
    """Refuse weights that expect another input than torchvision's.

    Args:
        convention: The input that the weights were trained on.

    Raises:
        ValueError: If it is not RGB with ImageNet's mean and deviation.
    """
    theirs = InputConvention()
    if not convention.is_like(theirs):
        raise ValueError(
            f'the weights were trained on {convention}, but the models of '
            f'torchvision get {theirs}. Export them for mmdet (--to mmdet).'
        )


def detectron2_table(state: Mapping[str, Tensor]) -> Table:
    """Map mmdet's names to detectron2's, for FPN and C4 detectors."""
    is_c4 = not any(name.startswith('neck.') for name in state)
    resnet = find_resnet(state)
    layers = [*_resnet(resnet, state, _detectron2_resnet(is_c4))]

    def convs() -> Iterator[ConvNames]:
        """Yield the convolutions of neck and head, with their norms."""
        for ours, theirs in _NECK.items():
            for i, name in enumerate(_modules(f'neck.{ours}.{{}}', state), 2):
                conv = f'backbone.fpn_{theirs}{i}'
                yield ConvNames(name, conv, f'{conv}.norm')
        shared = _modules('roi_head.bbox_head.shared_convs.{}', state)
        for i, name in enumerate(shared, 1):
            conv = f'roi_heads.box_head.conv{i}'
            yield ConvNames(name, conv, f'{conv}.norm')

    layers += _conv_modules(convs(), state)
    shared = _modules('roi_head.bbox_head.shared_fcs.{}', state)
    for i, name in enumerate(shared, 1):
        layers.append(Layer(name, f'roi_heads.box_head.fc{i}', 'linear'))
    layers += _rpn(state, _RPN2, 'proposal_generator.rpn_head')
    return table_of(layers)


def to_detectron2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename exported weights for detectron2.

    The detector needs ``INPUT.FORMAT``, ``MODEL.PIXEL_MEAN`` and
    ``MODEL.PIXEL_STD`` as the file's meta says (see `input_for_detectron2`),
    ``RESNETS.STRIDE_IN_1X1: False``, and norms where these weights
    have them (``FPN.NORM``, ``ROI_BOX_HEAD.NORM``, ``RESNETS.NORM``: SyncBN).

    Args:
        state: Weights under mmdet's names.

    Returns:
        The tensors without batch norm's counters, which detectron2's frozen
        norms lack; bfloat16, which NumPy lacks, as float32.

    Raises:
        ValueError: If the detector is not a ResNet with FPN or C4.
    """
    renamed = rename(
        state, _of_parts(detectron2_table(state), state), 'a ResNet detector'
    )
    return {
        name: tensor.float() if tensor.dtype is torch.bfloat16 else tensor
        for name, tensor in renamed.items()
        if not name.endswith('num_batches_tracked')
    }


def _of_parts(table: Table, state: Mapping[str, Tensor]) -> Table:
    """Return the names of a table that belong to parts of the weights."""
    parts = {part_of(name) for name in state}
    return {k: v for k, v in table.items() if part_of(k) in parts}


# ResNets of torchvision by the blocks of their stages and the convolutions of
# a block; those that share both differ in their widths.
_RESNETS: dict[tuple[tuple[int, ...], int], tuple[str, ...]] = {
    ((2, 2, 2, 2), 2): ('resnet18',),
    ((3, 4, 6, 3), 2): ('resnet34',),
    ((3, 4, 6, 3), 3): ('resnet50', 'resnext50_32x4d', 'wide_resnet50_2'),
    ((3, 4, 23, 3), 3): (
        'resnet101',
        'resnext101_32x8d',
        'resnext101_64x4d',
        'wide_resnet101_2',
    ),
    ((3, 8, 36, 3), 3): ('resnet152',),
}


def to_torchvision_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the backbone for a ResNet of ``torchvision.models``.

    Args:
        state: Weights under mmdet's names; neck and box head are left out.

    Returns:
        All tensors of the classifier except those of ``fc``.

    Raises:
        ValueError: If the backbone is not a complete ResNet of torchvision's;
            one of half the width is not.
    """
    resnet = find_resnet(state)
    layers = _resnet(resnet, state, lambda name, _: name)
    own = {
        name: tensor
        for name, tensor in state.items()
        if part_of(name) in ('backbone', 'shared_head')
    }
    renamed = rename(own, table_of(layers), 'a ResNet')
    names = _RESNETS.get((resnet.blocks, resnet.convs), ())
    wrong = [_wrong_shapes(renamed, _on_meta(name)) for name in names]
    if not any(not shapes for shapes in wrong):
        found = f'{resnet.blocks} blocks of {resnet.convs} convolutions'
        raise ValueError(
            'no ResNet of torchvision can load this backbone: it has '
            f'{found}'
            + (f', and {preview(wrong[0], 2)}' if wrong else '')
            + '. Export it for mmdet (--to mmdet --parts backbone).'
        )
    return renamed


def _on_meta(name: str) -> nn.Module:
    """Build a model of torchvision without allocating its weights."""
    from torchvision import models

    with torch.device('meta'):
        return models.get_model(name, weights=None)


def _wrong_shapes(state: Mapping[str, Tensor], model: nn.Module) -> list[str]:
    """Name the tensors that a model lacks or has with another shape."""
    expected = {n: tuple(t.shape) for n, t in model.state_dict().items()}
    return [
        f'{name} {tuple(tensor.shape)} instead of {expected.get(name)}'
        for name, tensor in state.items()
        if tuple(tensor.shape) != expected.get(name)
    ]


def torchvision_table(state: Mapping[str, Tensor]) -> Table:
    """Map mmdet's names to those of torchvision's FPN detectors."""
    body = _resnet(
        find_resnet(state), state, lambda name, _: f'backbone.body.{name}'
    )
    blocks = dict(lateral_convs='inner_blocks', fpn_convs='layer_blocks')
    shared = [*_modules('roi_head.bbox_head.shared_convs.{}', state)]

    def convs() -> Iterator[ConvNames]:
        """Yield the convolutions of neck and head, with their norms."""
        for ours, theirs in blocks.items():
            for i, name in enumerate(_modules(f'neck.{ours}.{{}}', state)):
                block = f'backbone.fpn.{theirs}.{i}'
                yield ConvNames(name, f'{block}.0', f'{block}.1')
        for i, name in enumerate(shared):
            block = f'roi_heads.box_head.{i}'
            yield ConvNames(name, f'{block}.0', f'{block}.1')

    # The head is a sequence: convolutions, flatten, linear, ReLU.
    fc = Layer(
        'roi_head.bbox_head.shared_fcs.0',
        f'roi_heads.box_head.{len(shared) + 1}',
        'linear',
    )
    rpn = _rpn(state, _RPN_TV, 'rpn.head')
    return table_of([*body, *_conv_modules(convs(), state), fc, *rpn])


def without_other_rpn(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out an RPN that torchvision's detector cannot take.

    ``maskrcnn_resnet50_fpn_v2`` has two convolutions in its RPN, where those
    of mmdet's configs have one (``rpn_head.num_convs``).

    Args:
        state: Weights under mmdet's names.
    """
    if 'rpn_head.rpn_conv.1.conv.weight' in state:
        return dict(state)
    return {n: t for n, t in state.items() if part_of(n) != 'rpn_head'}


def to_torchvision_detector(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename exported weights for ``maskrcnn_resnet50_fpn_v2``.

    Args:
        state: Weights under mmdet's names.

    Returns:
        The tensors under torchvision's names; what pretraining does not
        train (predictors, mask head) is not among them.

    Raises:
        ValueError: If the detector is another one than torchvision's: no FPN,
            a cascade, or other shapes. The message names tensors.
    """
    from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

    goal = 'maskrcnn_resnet50_fpn_v2 of torchvision (R50, FPN and 4conv1fc'
    goal += ' box head with batch norm)'
    table = _of_parts(torchvision_table(state), state)
    renamed = rename(state, table, goal)
    with torch.device('meta'):
        model = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
    wrong = _wrong_shapes(renamed, model)
    if wrong:
        raise ValueError(
            f'the weights do not fit {goal}: {preview(wrong)}. Export the '
            'backbone alone (--to torchvision-backbone).'
        )
    return renamed
