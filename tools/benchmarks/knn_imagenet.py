"""Classify ImageNet by the nearest neighbors of a pretrained backbone.

Runs mmselfsup's own tool on weights that export_detector.py has made with
--parts backbone. Arguments after the weights go to that tool:

    python tools/benchmarks/knn_imagenet.py work_dirs/soco_backbone.pth \
        --num-knn 20 200 --work-dir work_dirs/knn
"""

import argparse
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.utils import get_installed_path

import mmsoco.registry  # noqa: F401  (lets mmselfsup be imported)
from mmsoco.checkpoints.io import load, weights_of
from mmsoco.checkpoints.load_report import compare
from mmsoco.cli.errors import run_script

CONFIG = 'benchmarks/classification/resnet50_knn_in1k.py'
TOOL = 'tools/benchmarks/classification/knn_imagenet/test_knn.py'
DATA = 'configs/benchmarks/classification/knn_imagenet.py'


def parse_args(
    argv: Sequence[str] | None = None,
) -> tuple[argparse.Namespace, list[str]]:
    """Read the command line.

    Args:
        argv: arguments; those of the process if None.

    Returns:
        Our arguments, and those for mmselfsup's tool.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('weights', type=Path, help='exported backbone')
    parser.add_argument(
        '--config',
        type=Path,
        default=Path(__file__).resolve().parents[2] / 'configs' / CONFIG,
        help='config of a model of mmselfsup (default: ResNet-50)',
    )
    return parser.parse_known_args(argv)


def check_weights(weights: Path, config: Path) -> None:
    """Raise where not all of the weights would arrive.

    mmselfsup's tool loads what fits, and measures the rest untrained.

    Args:
        weights: checkpoint.
        config: config of the model.

    Raises:
        FileNotFoundError: If there are no weights.
        ValueError: If they are not those of the model's backbone.
    """
    cfg = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        from mmselfsup.registry import MODELS

        model = MODELS.build(cfg.model)
    report = compare(weights_of(load(weights), weights), model.state_dict())
    print(report.table())
    report.check()


def main(argv: Sequence[str] | None = None) -> None:
    """Check the weights and run mmselfsup's tool."""
    args, others = parse_args(argv)
    check_weights(args.weights, args.config)
    home = Path(get_installed_path('mmselfsup'), '.mim')
    data = ['--dataset-config', str(home / DATA)]
    weights = ['--checkpoint', str(args.weights)]
    sys.argv = [TOOL, str(args.config), *weights, *data, *others]
    runpy.run_path(str(home / TOOL), run_name='__main__')


if __name__ == '__main__':
    sys.exit(run_script(main))
