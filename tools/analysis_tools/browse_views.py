"""Draw the views that a pretraining config makes, with their matched boxes.

Each picture has one row per pair of views. Boxes of the same colour are
matched, the label is the pyramid level that a box is pooled from, a grey
square is cut out while training.

Examples:
  python tools/analysis_tools/browse_views.py CONFIG.py --out views
  python tools/analysis_tools/browse_views.py CONFIG.py --out views
      --index 0 7 99 --epoch 3 --seed 1 --cfg-options
      train_dataloader.dataset.image_root=my_images
      train_dataloader.dataset.proposals=my_proposals.arrow
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from PIL import Image

from mmsoco.datasets.samplers import SampleKey
from mmsoco.datasets.transforms import DrawViews, PhotometricJitter
from mmsoco.engine.cli import add_cfg_options
from mmsoco.registry import DATASETS
from mmsoco.visualization.views import draw_sample


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line.

    Args:
        argv: Arguments; those of the process if None.

    Returns:
        The arguments.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', type=Path, help='pretraining config')
    parser.add_argument(
        '--out', type=Path, required=True, help='folder of the pictures'
    )
    parser.add_argument(
        '--number',
        type=int,
        default=8,
        help='how many images, spread over the dataset (default: 8)',
    )
    parser.add_argument(
        '--index', type=int, nargs='+', help='these images instead'
    )
    parser.add_argument('--epoch', type=int, default=0, help='default: 0')
    parser.add_argument('--seed', type=int, default=0, help='default: 0')
    add_cfg_options(parser)
    return parser.parse_args(argv)


def browse(args: argparse.Namespace) -> list[Path]:
    """Draw samples of a config's training set.

    Args:
        args: The command line.

    Returns:
        The pictures written.

    Raises:
        FileNotFoundError: If the config, the images or the store are not
            there.
        ValueError: If the config makes no views.
    """
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    for transform in dataset.pipeline.transforms:
        if isinstance(transform, PhotometricJitter):
            transform.on_device = False  # there is no model here
    draw_views = [
        t for t in dataset.pipeline.transforms if isinstance(t, DrawViews)
    ]
    if not draw_views:
        raise ValueError(
            f'{args.config} has no DrawViews in its pipeline; it is no '
            'pretraining config'
        )
    indices = args.index
    if indices is None:
        spread = np.linspace(0, len(dataset) - 1, args.number)
        indices = np.unique(spread.astype(int)).tolist()
    args.out.mkdir(parents=True, exist_ok=True)
    pictures = []
    for index in indices:
        sample = dataset[SampleKey(args.seed, args.epoch, index)]
        picture = Image.fromarray(draw_sample(sample, draw_views[0].pairs))
        pictures.append(args.out / f'{index:07d}.png')
        picture.save(pictures[-1])
    return pictures


def main() -> None:
    """Run the tool."""
    args = parse_args()
    try:
        pictures = browse(args)
    except (OSError, ValueError, IndexError) as error:
        raise SystemExit(f'error: {error}') from None
    print(f'{len(pictures)} pictures in {args.out}')


if __name__ == '__main__':
    main()
