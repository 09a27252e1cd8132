"""One training step of a config, in the variants that benchmarks compare."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmsoco.config.reading import read_config
from mmsoco.datasets.random_batch import random_batch, view_sizes
from mmsoco.engine.hooks.target_update_hook import target_momentum
from mmsoco.engine.optimizers import LARS
from mmsoco.models.roi_pooling import AssignedRoIs
from mmsoco.registry import MODELS

# What a variant's name may be made of, joined by '+'.
LEVELS = ('every-level', 'all', 'assigned')
OPTIONS = ('channels_last', 'bf16', 'fp16', 'compile', 'recompute')
DTYPES = dict(bf16=torch.bfloat16, fp16=torch.float16)
RECOMPUTED = [f'backbone.layer{i}' for i in range(1, 5)]


class TrainCase:
    """Model, optimizer and batch of one variant.

    Args:
        config: A pretraining config.
        variant: One of ``LEVELS``, then any of ``OPTIONS``, joined by '+',
            e.g. ``'assigned+channels_last+bf16'``. ``every-level`` pools each
            box on all levels, as the published code does.
        batch_size: Images.
        device: Where to train.
        cfg_options: Settings that replace those of the config.

    Raises:
        ValueError: If the variant has an unknown part.
    """

    def __init__(
        self,
        config: Path,
        variant: str,
        batch_size: int,
        device: str,
        cfg_options: dict[str, Any] | None = None,
    ) -> None:
        levels, options = parse_variant(variant)
        init_default_scope('mmsoco')
        # Weight initialization logs a paragraph per tensor.
        MMLogger.get_instance('benchmark', log_level='ERROR')
        cfg = read_config(config, cfg_options or {})
        cfg.model.roi_levels = 'all' if levels == 'every-level' else levels
        self.channels_last = 'channels_last' in options
        cfg.model.data_preprocessor = dict(
            cfg.data_preprocessor, channels_last=self.channels_last
        )
        if 'recompute' in options:
            cfg.model.recompute = RECOMPUTED
        torch.manual_seed(0)
        self.model = MODELS.build(cfg.model).to(device).train()
        self.model.init_weights()
        if levels == 'every-level':
            pool_on_every_level(self.model.encoder)
        if 'compile' in options:
            self.model.compile_parts()
        self.dtype = next((DTYPES[o] for o in options if o in DTYPES), None)
        self.device = device
        self.scaler = torch.amp.GradScaler(device, enabled='fp16' in options)
        self.optimizer = LARS(
            [p for p in self.model.parameters() if p.requires_grad], lr=0.1
        )
        self.batch = self._batch(cfg, batch_size)

    def _batch(self, cfg: Config, batch_size: int) -> dict:
        batch = random_batch(
            cfg.model.pairs,
            view_sizes(cfg),
            batch_size,
            pretext_views=self.model.pretext_views,
        )
        order = torch.channels_last if self.channels_last else None
        return dict(
            inputs=[
                v.to(self.device, memory_format=order or torch.preserve_format)
                for v in batch['inputs']
            ],
            data_samples=self.model.data_preprocessor.cast_data(
                batch['data_samples']
            ),
        )

    def step(self) -> Tensor:
        """Make one whole step: loss, gradients, optimizer, target.

        Returns:
            The loss.
        """
        self.optimizer.zero_grad()
        with torch.autocast(
            self.device, self.dtype, enabled=self.dtype is not None
        ):
            losses = self.model(**self.batch, mode='loss')
        loss = sum(v for k, v in losses.items() if k.startswith('loss'))
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.model.target.update(target_momentum(1, 100, 0.99))
        if self.device == 'cuda':
            torch.cuda.synchronize()
        return loss.detach()


def parse_variant(variant: str) -> tuple[str, Sequence[str]]:
    """Split the name of a variant.

    Raises:
        ValueError: If a part is unknown.
    """
    levels, *options = variant.split('+')
    unknown = [o for o in options if o not in OPTIONS]
    if levels not in LEVELS or unknown:
        raise ValueError(
            f'a variant is one of {LEVELS}, then any of {OPTIONS}, joined by '
            f'"+"; got {variant!r}'
        )
    return levels, options


def pool_on_every_level(encoder: nn.Module) -> None:
    """Let an encoder use every level for every set, as the published code.

    Args:
        encoder: An `ObjectEncoder` with ``roi_levels='all'``; changed.
    """
    assign = encoder.assign
    every = tuple(range(encoder.roi_extractor.num_inputs))

    def assign_to_all(bboxes: Sequence[Tensor]) -> list[AssignedRoIs]:
        return [rois._replace(used=every) for rois in assign(bboxes)]

    encoder.assign = assign_to_all
