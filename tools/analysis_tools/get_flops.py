"""Counts the floating-point operations of one pretraining step, by part.

    python tools/analysis_tools/get_flops.py \
        configs/soco/soco_mask-rcnn_r50-fpn_16xb128-coslr-100e_in1k.py \
        --cfg-options model.roi_levels=assigned

One step is run on the CPU with random views and boxes; a multiplication with
its addition counts as two operations. Only convolutions and matrix products
are counted, the rest is small.

How many levels are used, and with them neck and RoI head, depends on the
boxes of the whole batch. With --real-batches these are the boxes of the
config's data set:

    python tools/analysis_tools/get_flops.py CONFIG --batch-size 128 \
        --real-batches 10 --cfg-options \
        train_dataloader.dataset.image_root=IMAGES \
        train_dataloader.dataset.proposals=IMAGES.arrow
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.utils.data import default_collate
from torch.utils.flop_counter import FlopCounterMode

from mmsoco.cli.common import add_cfg_options
from mmsoco.cli.errors import run_script
from mmsoco.config.reading import read_config
from mmsoco.datasets.random_batch import random_batch, view_sizes
from mmsoco.datasets.samplers import EpochIndexSampler, SampleKey
from mmsoco.models.roi_pooling import AssignedRoIs
from mmsoco.registry import DATASETS, MODELS

# Used and tied levels per RoI set.
Levels = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]

# The published code per image in the 224, 224, 112 recipe with R50-FPN, and
# what its parts share of it.
PUBLISHED_GFLOP = 193.9
PUBLISHED_SHARES = 'backbone 38%, neck 26%, RoI head 34%'
PASSES = ('forward', 'backward', 'target')
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
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='a pretraining config')
    parser.add_argument(
        '--batch-size',
        type=int,
        default=2,
        help='images, of all processes together (default: 2)',
    )
    parser.add_argument(
        '--real-batches',
        type=int,
        default=0,
        help='batches of the data set to average over (default: 0, one batch '
        'of random boxes)',
    )
    add_cfg_options(parser)
    return parser.parse_args(argv)


class PartCounter(FlopCounterMode):
    """Counts a step's operations by part and pass.

    Wherever the step enters or leaves a part, what has been counted since
    the last such place belongs to the part that was running. The backward
    pass enters a part where the gradient of its output arrives, and stays in
    it until the gradient of an earlier part's output does.

    Args:
        model: A `SoCo`; gets hooks.

    Attributes:
        flops: Operations by part and pass.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(display=False)
        parts = [*PARTS, *['pretexts'] * bool(model.pretexts)]
        self.flops = {part: dict.fromkeys(PASSES, 0) for part in parts}
        self._running: tuple[str, str] | None = None
        self._counted = 0
        for part, name, module in _modules(model):
            forward = 'target' if name.startswith('target.') else 'forward'
            module.register_forward_pre_hook(
                lambda *_, now=(part, forward): self.switch(now)
            )
            module.register_forward_hook(
                lambda *args, part=part: self._leave(part, args[-1])
            )

    def switch(self, running: tuple[str, str] | None) -> None:
        """Note what has been counted and who runs from now on.

        Args:
            running: Part and pass; None for what belongs to no part.

        Raises:
            RuntimeError: If operations were counted that belong to no part.
        """
        new = self.get_total_flops() - self._counted
        self._counted += new
        if self._running is not None:
            part, of = self._running
            self.flops[part][of] += new
        elif new:
            raise RuntimeError(f'{new} operations belong to no part')
        self._running = running

    def _leave(self, part: str, outputs: Tensor | Sequence) -> None:
        self.switch(None)
        for output in _tensors(outputs):
            if output.requires_grad:
                output.register_hook(lambda _: self.switch((part, 'backward')))


def _modules(model: nn.Module) -> Iterator[tuple[str, str, nn.Module]]:
    """Return the modules of parts in both networks, with their names."""
    modules = dict(model.named_modules())
    for part, names in PARTS.items():
        for network in ('', 'target.'):
            for name in names:
                if network + name in modules:
                    yield part, network + name, modules[network + name]
    for name, pretext in model.pretexts.named_children():
        yield 'pretexts', f'pretexts.{name}', pretext


def _tensors(outputs: Tensor | Sequence | dict | None) -> Iterator[Tensor]:
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, dict):
        yield from _tensors([*outputs.values()])
    elif outputs is not None:
        for output in outputs:
            yield from _tensors(output)


def count_flops(
    cfg: Config, num_images: int, levels: Levels | None = None
) -> dict[str, dict[str, float]]:
    """Count the operations of one step.

    Args:
        cfg: A pretraining config.
        num_images: Batch size.
        levels: The levels to use instead of those of the random boxes.

    Returns:
        GFLOP per image by part, and of each part by pass: ``forward`` and
        ``backward`` of the online network, ``target``.
    """
    init_default_scope('mmsoco')
    model = MODELS.build(cfg.model).train()
    if levels is not None:
        use_levels(model.encoder, levels)
    batch = random_batch(
        cfg.model.pairs,
        view_sizes(cfg),
        num_images,
        pretext_views=model.pretext_views,
    )
    # A gauge for the log belongs to no part of the networks.
    no_gauge = mock.patch(
        'mmsoco.models.soco.retrieval_hit_rate',
        lambda *_: torch.zeros(()),
    )
    with no_gauge, PartCounter(model) as counter:
        losses = model(**batch, mode='loss')
        sum(v for k, v in losses.items() if k.startswith('loss')).backward()
        counter.switch(None)
    return {
        part: {name: n / num_images / 1e9 for name, n in of_part.items()}
        for part, of_part in counter.flops.items()
    }


def use_levels(encoder: nn.Module, levels: Levels) -> None:
    """Let an encoder use given levels, whatever the boxes.

    Args:
        encoder: An `ObjectEncoder`; changed.
        levels: Used and tied levels per RoI set.
    """
    assign = encoder.assign

    def assign_given(bboxes: Sequence[Tensor]) -> list[AssignedRoIs]:
        return [
            rois._replace(used=used, tied=tied)
            for rois, (used, tied) in zip(assign(bboxes), levels, strict=True)
        ]

    encoder.assign = assign_given


def real_levels(cfg: Config, num_images: int, number: int) -> Counter[Levels]:
    """Find the levels that batches of a config's data set use.

    Args:
        cfg: A pretraining config.
        num_images: Batch size; a set with fewer images is run through again,
            as in another epoch.
        number: Number of batches.

    Returns:
        How many batches use which levels.
    """
    init_default_scope('mmsoco')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    encoder = MODELS.build(cfg.model).encoder
    sampler = EpochIndexSampler(dataset, seed=0)
    keys: list[SampleKey] = []
    for epoch in range(math.ceil(number * num_images / len(dataset))):
        sampler.set_epoch(epoch)
        keys += sampler
    counts: Counter[Levels] = Counter()
    for start in range(0, number * num_images, num_images):
        samples = [
            dataset[key]['data_samples']['bboxes']
            for key in keys[start : start + num_images]
        ]
        rois = encoder.assign(default_collate(samples))
        counts[tuple((own.used, own.tied) for own in rois)] += 1
    return counts


def mean_flops(
    cfg: Config, counts: Counter[Levels]
) -> dict[str, dict[str, float]]:
    """Average the operations over batches, by the levels that they use.

    Args:
        cfg: A pretraining config.
        counts: From `real_levels`.

    Returns:
        See `count_flops`.
    """
    mean: dict[str, dict[str, float]] = {}
    for levels, number in counts.items():
        # Operations per image do not depend on the batch, except for levels.
        for part, by_pass in count_flops(cfg, 2, levels).items():
            of_part = mean.setdefault(part, dict.fromkeys(PASSES, 0.0))
            for name, gflop in by_pass.items():
                of_part[name] += gflop * number / counts.total()
    return mean


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    args = parse_args(argv)
    cfg = read_config(args.config, args.cfg_options)
    if args.real_batches:
        counts = real_levels(cfg, args.batch_size, args.real_batches)
        flops = mean_flops(cfg, counts)
    else:
        flops = count_flops(cfg, args.batch_size)
    print(f'torch {torch.__version__}, views of {view_sizes(cfg)} pixels')
    print(f'roi_levels: {cfg.model.roi_levels}; GFLOP per image and step:')
    print(' ' * 10 + ''.join(f'{name:>10}' for name in (*PASSES, 'sum')))
    total = sum(sum(of_part.values()) for of_part in flops.values())
    whole = {
        name: sum(of_part[name] for of_part in flops.values())
        for name in PASSES
    }
    for part, by_pass in {**flops, 'total': whole}.items():
        numbers = [*by_pass.values(), sum(by_pass.values())]
        columns = ''.join(f'{number:>10.1f}' for number in numbers)
        print(f'{part:<10}{columns}{numbers[-1] / total:>6.0%}')
    print(
        f'published code, R50-FPN at 224, 224, 112: {PUBLISHED_GFLOP} '
        f'({PUBLISHED_SHARES})'
    )


if __name__ == '__main__':
    sys.exit(run_script(main))
