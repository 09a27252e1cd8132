"""Counts the floating-point operations of one pretraining step, by part.

    python tools/analysis_tools/get_flops.py \
        configs/soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py \
        --cfg-options model.roi_levels=assigned

One step is run on the CPU with random views and boxes; a multiplication with
its addition counts as two operations. Only convolutions and matrix products
are counted, the rest is small. The parts show the forward passes of the online
and the target network; the backward pass cannot be told apart by part.
"""

import argparse
from collections.abc import Mapping, Sequence

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch.utils.flop_counter import FlopCounterMode

from mmsoco.datasets.random_batch import random_batch, view_sizes
from mmsoco.engine.cli import add_cfg_options
from mmsoco.registry import MODELS

# The published code per image in the 224, 224, 112 recipe with R50-FPN.
PUBLISHED_GFLOP = 193.9
PARTS = {
    'backbone': ('encoder.backbone',),
    'neck': ('encoder.neck',),
    'RoI head': (
        'encoder.roi_head.shared_head',
        'encoder.roi_head.bbox_head',
        'encoder.trunk',
    ),
    'projector': ('projector',),
    'predictor': ('predictor',),
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='a pretraining config')
    parser.add_argument(
        '--batch-size', type=int, default=2, help='images (default: 2)'
    )
    add_cfg_options(parser)
    return parser.parse_args(argv)


def count_flops(cfg: Config, num_images: int) -> dict[str, float]:
    """Counts the operations of one step.

    Args:
        cfg: A pretraining config.
        num_images: Batch size.

    Returns:
        GFLOP per image of each part's forward passes (both networks), of
        ``backward``, and of the ``total``.
    """
    init_default_scope('mmsoco')
    model = MODELS.build(cfg.model).train()
    batch = random_batch(cfg.model.pairs, view_sizes(cfg), num_images)
    with FlopCounterMode(display=False, depth=None) as forward:
        losses = model(**batch, mode='loss')
    with FlopCounterMode(display=False) as backward:
        sum(v for k, v in losses.items() if k.startswith('loss')).backward()
    counts = {
        name: sum(operations.values()) / num_images / 1e9
        for name, operations in forward.get_flop_counts().items()
    }
    result = by_part(counts)
    result['backward'] = backward.get_total_flops() / num_images / 1e9
    return dict(result, total=sum(result.values()))


def by_part(counts: Mapping[str, float]) -> dict[str, float]:
    """Adds the online and the target network's modules up to parts.

    Args:
        counts: Operations by module name, such as ``SoCo.encoder.neck``.
    """
    return {
        part: sum(
            counts.get(f'SoCo.{network}{name}', 0)
            for network in ('', 'target.')
            for name in names
        )
        for part, names in PARTS.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table."""
    args = parse_args(argv)
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    flops = count_flops(cfg, args.batch_size)
    print(f'torch {torch.__version__}, views of {view_sizes(cfg)} pixels')
    print(f'roi_levels: {cfg.model.roi_levels}; GFLOP per image and step:')
    for part, value in flops.items():
        print(f'{part:<12}{value:>8.1f}{value / flops["total"]:>7.0%}')
    print(f'published   {PUBLISHED_GFLOP:>8.1f}  (R50-FPN at 224, 224, 112)')


if __name__ == '__main__':
    main()
