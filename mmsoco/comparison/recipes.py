"""Complete a plan's configs to those that its cells run."""

import copy
import functools
import hashlib
import json
import pprint
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmsoco.config.keys import RUN_KEYS
from mmsoco.config.reading import apply_options, set_precision
from mmsoco.structures import InputConvention
from mmsoco.utils.files import write_text

from .plan import Plan
from .plan_parts import Start

_CHECKPOINTS_KEPT = 2
_CHECKPOINTS_PER_RUN = 5
# Saving takes as long as some steps, which would matter in a short run, such
# as the trial of `mmsoco pilot`.
_LEAST_INTERVAL = 50
# What a result depends on; the rest is logging and processes.
_RELEVANT = (
    'model', 'data_preprocessor', 'optim_wrapper', 'param_scheduler',
    'auto_scale_lr', 'train_cfg', 'custom_hooks', 'sync_bn',
)  # fmt: skip
_RELEVANT_HOOKS = ('target_update', 'precise_bn')


@functools.cache
def _read_once(path: Path) -> Config:
    return Config.fromfile(path)


def read_config(path: Path) -> Config:
    """Read a config, each file only once, because many starts share a base."""
    return copy.deepcopy(_read_once(path))


def pretraining_config(plan: Plan, start: Start) -> Config:
    """Return the pretraining config of a start, for the plan's detector.

    SoCo gets the whole detector. An image-level method gets the detector's
    backbone and uses its last map.

    Args:
        plan: The plan.
        start: A start with its own pretraining.

    Raises:
        ValueError: If the config trains a model of another kind, or an
            option of the start does not fit it.
    """
    assert start.config is not None  # a plan without it was refused
    cfg = read_config(plan.config_path(start.config))
    detector = read_config(plan.config_path(plan.detector)).model
    model = cfg.get('model', {})
    if start.kind == 'soco' and 'detector' in model:
        model.detector = copy.deepcopy(detector)
    elif start.kind == 'image-level' and 'backbone' in model:
        _set_backbone(model, detector)
    else:
        raise ValueError(
            f'start {start.name!r}: {start.config} does not train a model '
            f'of kind {start.kind!r} (SoCo has a "detector", an image-level '
            'method a "backbone")'
        )
    if plan.pretraining.batch_size:
        cfg.train_dataloader.batch_size = plan.pretraining.batch_size
    set_precision(cfg, plan.pretraining.amp)
    try:
        apply_options(cfg, start.options, 'options')
    except ValueError as error:
        raise ValueError(
            f'{plan.file}: start {start.name!r}: {error}'
        ) from error
    return cfg


def _set_backbone(model: ConfigDict, detector: ConfigDict) -> None:
    """Give an image-level method the detector's backbone and input."""
    backbone = copy.deepcopy(detector.backbone)
    channels = detector.neck.in_channels[-1] if detector.get('neck') else None
    # The last of the detector's maps, as a tuple of one.
    backbone.out_indices = (max(backbone.get('out_indices', (3,))),)
    # The method's scope is mmselfsup's; the backbone stays mmdet's class.
    backbone['_scope_'] = 'mmdet'
    model.backbone = backbone
    convention = InputConvention.of_detector(detector)
    if convention is not None:
        model.data_preprocessor.update(convention.to_preprocessor())
    if channels is not None:
        model.neck.in_channels = channels


def finetuning_config(plan: Plan) -> Config:
    """Return the fine-tuning config that all starts of a plan share."""
    cfg = read_config(plan.config_path(plan.detector))
    set_precision(cfg, plan.finetuning.amp)
    return cfg


def complete_pretraining(
    cfg: Config,
    *,
    image_root: Path,
    proposals: Path | None,
    epochs: int,
    seed: int,
    work_dir: Path,
) -> None:
    """Set the values that differ between cells in a pretraining config.

    Args:
        cfg: Changed.
        image_root: Folder of the pictures.
        proposals: Their store; None where the method takes none.
        epochs: Length of the run.
        seed: Seed of weights, order and views.
        work_dir: Folder of checkpoints and logs.
    """
    dataset = cfg.train_dataloader.dataset
    dataset.image_root = str(image_root)
    # A config without proposals (image-level, random boxes) stays so.
    if dataset.get('proposals') is not None:
        dataset.proposals = str(proposals)
    cfg.train_cfg.max_epochs = epochs
    _complete(cfg, seed, work_dir, interval=1)


def complete_finetuning(
    cfg: Config,
    *,
    classes: Sequence[str],
    train: tuple[Path, Path],
    val: tuple[Path, Path],
    steps: int,
    seed: int,
    work_dir: Path,
    load_from: Path | None,
) -> None:
    """Set the values that differ between cells in a fine-tuning config.

    Args:
        cfg: Changed; its loop runs by iterations.
        classes: Names of the classes.
        train: Annotations and picture folder to learn from.
        val: Annotations and picture folder to evaluate on.
        steps: Iterations.
        seed: Seed of fresh weights and order.
        work_dir: Folder of checkpoints, logs and detections.
        load_from: Weights to start from; None: from scratch.
    """
    set_classes(cfg.model, len(classes))
    for name, (labels, images) in (('train', train), ('test', val)):
        dataset = cfg[f'{name}_dataloader'].dataset
        while 'dataset' in dataset:
            dataset = dataset.dataset
        dataset.update(
            data_root='',
            ann_file=str(labels),
            data_prefix=dict(img=str(images)),
            metainfo=dict(classes=tuple(classes)),
        )
    cfg.test_evaluator = dict(
        type='CocoMetric',
        ann_file=str(val[0]),
        metric='bbox',
        format_only=True,
        outfile_prefix=str(work_dir / 'detections'),
    )
    # There is no evaluation on the way: the last checkpoint counts.
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg.pop(key, None)
    cfg.test_cfg = dict(type='TestLoop')
    cfg.train_cfg.pop('val_interval', None)
    set_steps(cfg, steps)
    if 'precise_bn' in cfg.default_hooks:
        cfg.default_hooks.precise_bn.interval = steps
    cfg.load_from = None if load_from is None else str(load_from)
    interval = max(_LEAST_INTERVAL, steps // _CHECKPOINTS_PER_RUN)
    _complete(cfg, seed, work_dir, interval)


def set_classes(model: ConfigDict, number: int) -> None:
    """Set the number of classes of a detector's heads."""
    roi_head = model.get('roi_head')
    heads = [model.get('bbox_head')]
    if roi_head:
        heads = roi_head.bbox_head
        heads = list(heads) if isinstance(heads, list) else [heads]
        heads.append(roi_head.get('mask_head'))
    for head in heads:
        if head and 'num_classes' in head:
            head.num_classes = number


def set_steps(cfg: Config, steps: int) -> None:
    """Set the length of a fine-tuning by iterations, schedules included.

    A schedule that ended with the run still does; warm-ups keep their length,
    up to a tenth of the run; decays keep their relative position.

    Raises:
        ValueError: If the config's loop runs by epochs.
    """
    if cfg.train_cfg.type.rpartition('.')[2] != 'IterBasedTrainLoop':
        raise ValueError(
            f'{cfg.filename}: expected a fine-tuning by iterations '
            f'(train_cfg.type IterBasedTrainLoop), got {cfg.train_cfg.type}'
        )
    old = cfg.train_cfg.max_iters
    for schedule in cfg.param_scheduler:
        if schedule.get('end') == old:
            schedule.end = steps
        elif schedule.type == 'LinearLR':
            schedule.end = max(1, min(schedule.end, steps // 10))
        if schedule.get('T_max') == old:
            schedule.T_max = steps
        if 'milestones' in schedule:
            schedule.milestones = [
                round(step * steps / old) for step in schedule.milestones
            ]
    cfg.train_cfg.max_iters = steps


def _complete(cfg: Config, seed: int, work_dir: Path, interval: int) -> None:
    cfg.work_dir = str(work_dir)
    cfg.launcher = 'none'
    cfg.setdefault('runner_type', 'mmsoco.Runner')
    cfg.randomness = dict(seed=seed)
    cfg.resume = False
    cfg.default_hooks.checkpoint.update(
        interval=interval, max_keep_ckpts=_CHECKPOINTS_KEPT
    )


def config_hash(cfg: Config) -> str:
    """Return the SHA-256 of a config before it is completed.

    It covers only what a result depends on: not logs, processes or workers.
    """
    content = {key: cfg.get(key) for key in _RELEVANT}
    hooks = cfg.get('default_hooks', {})
    content['hooks'] = [hooks.get(name) for name in _RELEVANT_HOOKS]
    for name in ('train_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader:
            keys = ('batch_size', 'dataset', 'sampler', 'batch_sampler')
            content[name] = [loader.get(key) for key in keys]
    return hash_of(content)


def write_config(cfg: Config, path: Path) -> None:
    """Write the keys of a config that a run reads to a self-contained file.

    mmengine's own writer takes seconds to format the text.
    """
    lines = [
        f'{key} = {pprint.pformat(value, sort_dicts=False)}'
        for key, value in cfg.to_dict().items()
        if key in RUN_KEYS
    ]
    write_text(path, '\n'.join([*lines, '']))


def hash_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain values."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
