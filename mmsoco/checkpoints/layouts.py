"""The layouts of weights: how each program names the same layers.

A layout is a table of names, written out layer by layer for the given ResNet.
Because it has every name, a missing or unknown tensor on either side is
noticed; because it has each name once, the table can be inverted.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from torch import Tensor

from .load_report import depends_on_classes, part_of, preview

LEAVES = dict(
    conv=('weight',),
    linear=('weight', 'bias'),
    norm=(
        'weight',
        'bias',
        'running_mean',
        'running_var',
        'num_batches_tracked',
    ),
)
NUM_PYRAMID_LEVELS = 4  # P2 to P5
NUM_HEAD_CONVS = 4

# The parts of a detector that pretraining trains; the RPN only in a pretext.
PRETRAINED_PARTS = (
    'backbone',
    'neck',
    'shared_head',
    'bbox_head',
    'rpn_head',
)

Table = dict[str, str]


class Layer(NamedTuple):
    """A layer under its name in two layouts.

    Attributes:
        source: Its name in the other layout.
        target: Its name in mmsoco.
        kind: A key of `LEAVES`.
    """

    source: str
    target: str
    kind: str


class ResNet(NamedTuple):
    """Which layers a ResNet has.

    Attributes:
        blocks: The number of residual blocks of the stages, from the first.
        convs: The convolutions of a block: 3 in a bottleneck, else 2.
    """

    blocks: tuple[int, ...]
    convs: int

    def layers(self) -> Iterator[tuple[str, str]]:
        """Yield name (as in mmdet and torchvision) and kind of every layer."""
        yield from (('conv1', 'conv'), ('bn1', 'norm'))
        for stage, blocks in enumerate(self.blocks, start=1):
            for block in range(blocks):
                name = f'layer{stage}.{block}'
                for conv in range(1, self.convs + 1):
                    yield f'{name}.conv{conv}', 'conv'
                    yield f'{name}.bn{conv}', 'norm'
                # The first stage of basic blocks keeps channels and size.
                if block == 0 and (stage > 1 or self.convs == 3):
                    yield f'{name}.downsample.0', 'conv'
                    yield f'{name}.downsample.1', 'norm'


def find_resnet(names: Iterable[str]) -> ResNet:
    """Find by the names of tensors which ResNet they belong to.

    Args:
        names: Names that contain ``layerS.B.convC.`` with any prefix.

    Raises:
        ValueError: If there is no residual stage.
    """
    found = [
        tuple(int(number) for number in match.groups())
        for name in names
        if (match := re.search(r'\blayer(\d)\.(\d+)\.conv(\d)\.', name))
    ]
    if not found:
        raise ValueError(
            'the weights have no ResNet stage (layer1.0.conv1...): '
            'only ResNets can be converted between layouts'
        )
    stages = range(1, max(stage for stage, _, _ in found) + 1)
    blocks = tuple(
        max((b + 1 for s, b, _ in found if s == stage), default=0)
        for stage in stages
    )
    return ResNet(blocks, max(conv for _, _, conv in found))


def check_resnet(names: Iterable[str], source: object) -> None:
    """Refuse a ResNet with a missing stage or block.

    Args:
        names: Names of the tensors of any detector; others than ResNets pass.
        source: The file, for the message.

    Raises:
        ValueError: If convolutions are missing.
    """
    names = list(names)
    pattern = re.compile(r'\blayer(\d)\.(\d+)\.conv(\d)\.weight$')
    found = {
        tuple(map(int, match.groups()))
        for name in names
        if (match := pattern.search(name))
    }
    if not found:
        return
    resnet = find_resnet(names)
    missing = [
        f'layer{stage}.{block}.conv{conv}'
        for stage, blocks in enumerate(resnet.blocks, start=1)
        for block in range(max(blocks, 1))
        for conv in range(1, resnet.convs + 1)
        if (stage, block, conv) not in found
    ]
    if missing:
        raise ValueError(
            f'the ResNet in {source} is not whole: it lacks '
            f'{len(missing)} convolutions ({preview(missing)})'
        )


def table_of(layers: Iterable[Layer]) -> Table:
    """Write out the names of all tensors of layers."""
    return {
        f'{layer.source}.{leaf}': f'{layer.target}.{leaf}'
        for layer in layers
        for leaf in LEAVES[layer.kind]
    }


def inverse(table: Mapping[str, str]) -> Table:
    """Return the inverse of a table."""
    return {target: source for source, target in table.items()}


def rename(
    state: Mapping[str, Tensor], table: Mapping[str, str], layout: str
) -> dict[str, Tensor]:
    """Rename tensors, each exactly once.

    Args:
        state: Tensors by name.
        table: From every name that ``state`` must have to its new name.
        layout: What ``state`` should be, for the message.

    Returns:
        The same tensors in the same order under their new names.

    Raises:
        ValueError: If ``state`` has names that the table does not know, or
            lacks some that it knows. The message lists them.
    """
    unknown = [name for name in state if name not in table]
    missing = [name for name in table if name not in state]
    if unknown or missing:
        raise ValueError(
            f'the weights do not have the layout of {layout}: '
            f'{len(unknown)} unknown tensors ({preview(unknown)}), '
            f'{len(missing)} missing ({preview(missing)})'
        )
    return {table[name]: tensor for name, tensor in state.items()}


def is_pretrainable(
    name: str, parts: Collection[str] = PRETRAINED_PARTS
) -> bool:
    """Return whether pretraining trains a tensor.

    It trains neither classifier and regressor, nor the box head of a
    detector without an RoI head.

    Args:
        name: Under mmdet's names.
        parts: The parts that count.
    """
    if part_of(name) not in parts or name.startswith('bbox_head.'):
        return False
    return not depends_on_classes(name)


# The names that identify a layout, the most specific first.
_SIGNS = (
    ('mmsoco', r'encoder\.backbone\.'),
    ('reference', r'encoder(_k)?\.(conv1|layer1)\.'),
    ('detectron2', r'(backbone\.(bottom_up\.)?)?(stem\.conv1|res2)\.'),
    ('torchvision detector', r'backbone\.(body|fpn)\.'),
    ('mmdet', r'(roi_head|rpn_head|bbox_head|neck\.(lateral|fpn)_convs)\.'),
    ('backbone of mmpretrain or mmselfsup', r'backbone\.'),
    ('ResNet of torchvision or timm', r'(conv1|layer1)\.'),
    ('vision transformer of timm', r'(blocks|patch_embed|stages|layers)\.'),
)
_ADVICE = {
    'reference': 'convert it with `mmsoco convert checkpoint`',
    'mmdet': 'mmdet loads it directly: set load_from to it',
    'backbone of mmpretrain or mmselfsup': (
        'load it into a detector with backbone.init_cfg = dict(type='
        "'Pretrained', checkpoint=..., prefix='backbone.')"
    ),
    'ResNet of torchvision or timm': (
        'load it into a detector with backbone.init_cfg = dict(type='
        "'Pretrained', checkpoint=...)"
    ),
}


def guess_layout(names: Iterable[str]) -> str:
    """Guess the layout by the names of tensors.

    Returns:
        One of 'mmsoco', 'reference', 'mmdet', 'detectron2' and descriptions of
        others; 'unknown' if none fits.
    """
    names = list(names)
    for layout, sign in _SIGNS:
        if any(re.match(sign, name) for name in names):
            return layout
    return 'unknown'


def check_layout(
    state: Mapping[str, Tensor], expected: str, source: object
) -> None:
    """Refuse weights with another layout than a tool reads.

    Args:
        state: Tensors by name.
        expected: The layout's name, see `guess_layout`.
        source: The file, for the message.

    Raises:
        ValueError: If it has another layout; the message says which one it
            seems to be, and which tool reads it.
    """
    found = guess_layout(state)
    if found == expected:
        return
    advice = _ADVICE.get(found, 'this tool cannot read it')
    if found == 'mmsoco':
        advice = 'use `mmsoco export`'
    raise ValueError(
        f'{source} does not hold weights in the layout "{expected}"; it '
        f'looks like "{found}" (tensors such as {preview(state, 3)}): '
        f'{advice}'
    )
