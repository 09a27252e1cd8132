"""Weights of other programs, renamed for mmdet's detectors.

The tables of `mmsoco.checkpoints.foreign` start from a known detector. Here,
only a file is known, which may hold a detector of any depth, only a backbone,
or more than pretraining can use. Each layout therefore has rules for single
names. A name without a rule is kept and later reported as left out, unless it
belongs to layers without a pretext task.
"""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from .layouts import PRETRAINED_PARTS, guess_layout
from .load_report import part_of
from .reference_tables import rename_reference

Rule = tuple[str, str | Callable[[re.Match], str]]

_BODY = r'(?:backbone\.(?:bottom_up\.)?)?'
_BLOCK = rf'(?:{_BODY}|roi_heads\.)res(?P<stage>[2-5])\.(?P<block>\d+)\.'
_HEAD = 'roi_head.bbox_head.'


def _block(rest: str) -> Callable[[re.Match], str]:
    """Return a rule that counts stages from 1, where detectron2 has res2."""

    def new_name(match: re.Match) -> str:
        layer = f'backbone.layer{int(match["stage"]) - 1}.{match["block"]}.'
        return layer + match.expand(rest)

    return new_name


def _numbered(layer: str, start: int, leaf: str) -> Callable:
    """Return a rule that counts layers from 0 instead of from ``start``."""
    return lambda match: (
        f'{layer}.{int(match["number"]) - start}.{match.expand(leaf)}'
    )


def _pyramid(start: int, leaf: str) -> Callable[[re.Match], str]:
    kinds = dict(
        lateral='lateral_convs',
        output='fpn_convs',
        inner_blocks='lateral_convs',
        layer_blocks='fpn_convs',
    )
    return lambda match: _numbered(
        f'neck.{kinds[match["kind"]]}', start, leaf
    )(match)


_FPN2 = r'backbone\.fpn_(?P<kind>lateral|output)(?P<number>\d)\.'
_FPN_TV = r'backbone\.fpn\.(?P<kind>inner_blocks|layer_blocks)\.'
_FPN_TV += r'(?P<number>\d)\.'
_CONV2 = r'roi_heads\.box_head\.conv(?P<number>\d)\.'
_CONV_TV = r'roi_heads\.box_head\.(?P<number>\d)\.'
_RPN2 = r'proposal_generator\.rpn_head\.'
_CONVS = f'{_HEAD}shared_convs'
_FCS = f'{_HEAD}shared_fcs'
_LEAF = r'(?P<leaf>\w+)'
_PLAIN = r'(?P<leaf>weight|bias)'

# The first rule whose pattern matches the whole name applies.
RULES: dict[str, tuple[Rule, ...]] = {
    'detectron2': (
        (rf'{_BODY}stem\.conv1\.weight', 'backbone.conv1.weight'),
        (rf'{_BODY}stem\.conv1\.norm\.{_LEAF}', r'backbone.bn1.\g<leaf>'),
        (rf'{_BLOCK}shortcut\.weight', _block('downsample.0.weight')),
        (
            rf'{_BLOCK}shortcut\.norm\.{_LEAF}',
            _block(r'downsample.1.\g<leaf>'),
        ),
        (
            rf'{_BLOCK}conv(?P<conv>\d)\.weight',
            _block(r'conv\g<conv>.weight'),
        ),
        (
            rf'{_BLOCK}conv(?P<conv>\d)\.norm\.{_LEAF}',
            _block(r'bn\g<conv>.\g<leaf>'),
        ),
        (_FPN2 + _PLAIN, _pyramid(2, r'conv.\g<leaf>')),
        (rf'{_FPN2}norm\.{_LEAF}', _pyramid(2, r'bn.\g<leaf>')),
        (_CONV2 + _PLAIN, _numbered(_CONVS, 1, r'conv.\g<leaf>')),
        (rf'{_CONV2}norm\.{_LEAF}', _numbered(_CONVS, 1, r'bn.\g<leaf>')),
        (
            rf'roi_heads\.box_head\.fc(?P<number>\d)\.{_PLAIN}',
            _numbered(_FCS, 1, r'\g<leaf>'),
        ),
        (rf'{_RPN2}conv\.{_PLAIN}', r'rpn_head.rpn_conv.\g<leaf>'),
        (rf'{_RPN2}objectness_logits\.{_PLAIN}', r'rpn_head.rpn_cls.\g<leaf>'),
        (rf'{_RPN2}anchor_deltas\.{_PLAIN}', r'rpn_head.rpn_reg.\g<leaf>'),
    ),
    'torchvision detector': (
        (r'backbone\.body\.(?P<rest>.+)', r'backbone.\g<rest>'),
        (rf'{_FPN_TV}(?:0\.)?{_PLAIN}', _pyramid(0, r'conv.\g<leaf>')),
        (rf'{_FPN_TV}1\.{_LEAF}', _pyramid(0, r'bn.\g<leaf>')),
        (rf'{_CONV_TV}0\.{_PLAIN}', _numbered(_CONVS, 0, r'conv.\g<leaf>')),
        (rf'{_CONV_TV}1\.{_LEAF}', _numbered(_CONVS, 0, r'bn.\g<leaf>')),
        # A head has one layer after convolutions, and two layers without them.
        (rf'roi_heads\.box_head\.\d\.{_PLAIN}', rf'{_FCS}.0.\g<leaf>'),
        (
            rf'roi_heads\.box_head\.fc(?P<number>[67])\.{_PLAIN}',
            _numbered(_FCS, 6, r'\g<leaf>'),
        ),
    ),
    'ResNet of torchvision or timm': (
        (r'(?P<rest>(?:conv1|bn1|layer\d)\..+)', r'backbone.\g<rest>'),
    ),
    'vision transformer of timm': ((r'(?P<rest>.+)', r'backbone.\g<rest>'),),
}
# Prefixes of the names of layers that have no pretext task, by layout.
NO_PRETEXT: dict[str, tuple[str, ...]] = {
    'detectron2': (
        'proposal_generator.',
        'roi_heads.box_predictor.',
        'roi_heads.mask_head.',
        'roi_heads.keypoint_head.',
        'head.',
        'pixel_',
        'anchor_generator.',
        'linear.',
        'stem.fc.',
    ),
    'torchvision detector': (
        'rpn.',
        'roi_heads.box_predictor.',
        'roi_heads.mask_',
        'roi_heads.keypoint_',
        'head.',
    ),
    'ResNet of torchvision or timm': ('fc.',),
    'vision transformer of timm': ('head.', 'fc.'),
}


def to_mmdet(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Rename the weights of any known layout for mmdet's detectors.

    Args:
        state: Tensors by name, without the prefix ``module.``.

    Returns:
        The tensors under mmdet's names, and the layout as `guess_layout` names
        it. Layers of other programs without a pretext task are left out; a
        name without a rule is kept.

    Raises:
        ValueError: If the layout is unknown, or the file of SoCo's authors is
            incomplete.
    """
    layout = guess_layout(state)
    if layout == 'unknown':
        raise ValueError(
            'the names of the tensors match no known program '
            '(mmdet, mmpretrain, torchvision, detectron2, timm, SoCo): '
            f'{", ".join(sorted(state)[:4])}. Rename them to those of an '
            'mmdet detector first.'
        )
    if layout == 'reference':
        state = rename_reference(state, 'mmsoco')
    if layout in ('mmsoco', 'reference'):
        return _online_parts(state), layout
    if layout.startswith('backbone of'):
        return {k: v for k, v in state.items() if k.startswith('backbone.')}, (
            layout
        )
    rules = RULES.get(layout, ())
    dropped = NO_PRETEXT.get(layout, ())
    renamed = {name: _renamed(name, rules) for name in state}
    return {
        new: state[name]
        for name, new in renamed.items()
        if new != name or not name.startswith(dropped)
    }, layout


def _online_parts(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the online encoder, and the detector's parts of pretexts."""
    parts = {}
    for name, tensor in state.items():
        if match := re.fullmatch(r'encoder\.(?!trunk\.)(.+)', name):
            parts[match[1]] = tensor
        elif match := re.fullmatch(r'pretexts\.\d+\.(.+)', name):
            if part_of(match[1]) in PRETRAINED_PARTS:
                parts[match[1]] = tensor
    return parts


def _renamed(name: str, rules: tuple[Rule, ...]) -> str:
    for pattern, new_name in rules:
        if match := re.fullmatch(pattern, name):
            if callable(new_name):
                return new_name(match)
            return match.expand(new_name)
    return name
