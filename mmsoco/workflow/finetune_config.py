"""Write the whole config of a fine-tuning: detector, labels, schedule."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict

from mmsoco.workflow.pretrain_config import drop_variables, shipped_config

DOCSTRING = """Fine-tuning on labels, as `mmsoco finetune` wrote it.

The complete config: it inherits nothing.

command:   mmsoco train finetune.py --work-dir NEW_FOLDER
           mim train mmsoco finetune.py --work-dir NEW_FOLDER
"""
# Recipes for a machine with a GPU, and for one without.
LARGE = 'finetune/mask-rcnn_r50-fpn_scratch_8xb2-1x_custom.py'
SMALL = 'demo/mask-rcnn_r18-fpn_scratch_1xb4-24e_demo.py'
# Limits of the picture size (long, short): COCO's usual one, and one that a
# CPU can train on. Pictures are never enlarged.
LARGE_SCALE, SMALL_SCALE = (1333, 800), (512, 512)
# Default lengths. mmdet's shortest schedule on COCO has 90,000 steps; few
# labels need fewer, but an untrained detection head needs a few thousand.
LARGE_STEPS, SMALL_STEPS = 6000, 1500
FEWEST_EPOCHS = 12
# The pictures without objects are left out, as in mmdet's own recipes.
TRAINING_FILTER = dict(filter_empty_gt=True, min_size=1)
_META_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
_PLACES = ('roi_head', 'bbox_head', 'mask_head')


@dataclass(frozen=True)
class DetectionData:
    """The data that a detector is trained and evaluated on.

    Attributes:
        classes: Names in the order of the detector's labels.
        has_masks: Whether masks are trained as well.
        train: COCO JSON of the training.
        train_images: Folder of its pictures.
        val: COCO JSON of the validation.
        val_images: Folder of its pictures.
        scale: (long, short) sides that pictures are resized to fit into.
    """

    classes: Sequence[str]
    has_masks: bool
    train: Path
    train_images: Path
    val: Path
    val_images: Path
    scale: tuple[int, int]


def fitting_scale(
    sizes: Sequence[tuple[int, int]], is_large: bool
) -> tuple[int, int]:
    """Choose the scale of the pictures from their sizes.

    Args:
        sizes: (h, w) of the pictures, at least one.
        is_large: Whether the machine has a GPU.

    Returns:
        (long, short): the median of the pictures' sides, cut at
        `LARGE_SCALE` or `SMALL_SCALE`.
    """
    sides = np.sort(np.asarray(sizes), axis=1)
    short, long = np.median(sides, axis=0)
    most_long, most_short = LARGE_SCALE if is_large else SMALL_SCALE
    zoom = min(most_long / long, most_short / short, 1.0)
    return max(round(long * zoom), 1), max(round(short * zoom), 1)


def load_recipe(is_large: bool) -> Config:
    """Read the fine-tuning recipe for a machine with or without a GPU."""
    return Config.fromfile(shipped_config(LARGE if is_large else SMALL))


def fit_detector(detector: Mapping, data: DetectionData) -> ConfigDict:
    """Fit a detector to the classes of the labels, and to missing masks.

    Args:
        detector: The config that was pretrained; it is not changed.
        data: The labels.
    """
    model = ConfigDict(copy.deepcopy(dict(detector)))
    for place in _PLACES:
        if model.get(place):
            _set_classes(model[place], len(data.classes))
    roi_head = model.get('roi_head')
    if not data.has_masks and roi_head and roi_head.get('mask_head'):
        roi_head.mask_head = roi_head.mask_roi_extractor = None
        if model.type.rpartition('.')[2] == 'MaskRCNN':
            model.type = model.type.replace('MaskRCNN', 'FasterRCNN')
        if model.get('data_preprocessor'):
            model.data_preprocessor.pad_mask = False
    return model


def _set_classes(cfg: Any, number: int) -> None:
    """Set ``num_classes`` wherever it occurs."""
    if isinstance(cfg, (list, tuple)):
        for item in cfg:
            _set_classes(item, number)
    elif isinstance(cfg, dict):
        if 'num_classes' in cfg:
            cfg['num_classes'] = number
        for value in cfg.values():
            _set_classes(value, number)


def build_config(
    recipe: Config,
    pretraining: Config,
    data: DetectionData,
    work_dir: Path,
    weights: Path | None,
    parts: Sequence[str] | None = None,
) -> Config:
    """Put recipe, detector and labels together.

    Args:
        recipe: See `load_recipe`; it is not changed.
        pretraining: The config of the pretraining, whose detector is taken.
        data: The labels.
        work_dir: Folder of checkpoints and logs.
        weights: The pretrained weights; None trains from scratch.
        parts: The parts of them to load; None loads all.
    """
    cfg = copy.deepcopy(recipe)
    if weights is not None and parts is not None:
        cfg.default_hooks.load_report.parts = list(parts)
    cfg.model = fit_detector(pretraining.model.detector, data)
    if pretraining.get('custom_imports'):
        cfg.custom_imports = copy.deepcopy(pretraining.custom_imports)
    cfg.load_from = None if weights is None else str(weights.absolute())
    cfg.work_dir = str(work_dir.absolute())
    cfg.train_dataloader.dataset = _dataset(
        data, data.train, data.train_images, is_training=True
    )
    cfg.test_dataloader.dataset = _dataset(
        data, data.val, data.val_images, is_training=False
    )
    cfg.test_evaluator = ConfigDict(
        type='CocoMetric',
        ann_file=str(data.val.absolute()),
        # The AP of a class has one name for both; that of the last one stays.
        metric=['segm', 'bbox'] if data.has_masks else ['bbox'],
        classwise=True,
        format_only=False,
        outfile_prefix=str((work_dir.parent / 'detections').absolute()),
    )
    # The last checkpoint counts, and has its own evaluation step.
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg.pop(key, None)
    drop_variables(cfg)
    return cfg


def _dataset(
    data: DetectionData, labels: Path, images: Path, is_training: bool
) -> ConfigDict:
    load = dict(type='LoadImageFromFile')
    resize = dict(type='Resize', scale=data.scale, keep_ratio=True)
    annotations = dict(type='LoadAnnotations', with_bbox=True)
    if data.has_masks:
        annotations['with_mask'] = True
    pack: dict[str, Any] = dict(type='PackDetInputs')
    if is_training:
        flip = dict(type='RandomFlip', prob=0.5)
        pipeline = [load, annotations, resize, flip, pack]
    else:
        pack['meta_keys'] = _META_KEYS
        pipeline = [load, resize, pack]
    kind = dict(filter_cfg=dict(TRAINING_FILTER))
    return ConfigDict(
        type='CocoDataset',
        metainfo=dict(classes=tuple(data.classes)),
        ann_file=str(labels.absolute()),
        data_prefix=dict(img=f'{images.absolute()}/'),
        pipeline=pipeline,
        **(kind if is_training else dict(test_mode=True)),
    )


def set_length(cfg: Config, epochs: int, steps_per_epoch: int) -> None:
    """Fit the schedule of a recipe to a length.

    Args:
        cfg: The config; it is changed.
        epochs: Passes over the labeled pictures.
        steps_per_epoch: Iterations of a pass.
    """
    before = cfg.train_cfg.get('max_epochs', epochs)
    steps = epochs * steps_per_epoch
    cfg.train_cfg = ConfigDict(type='EpochBasedTrainLoop', max_epochs=epochs)
    schedulers = cfg.param_scheduler
    for scheduler in schedulers:
        if scheduler.get('by_epoch') is False:  # the warm-up
            scheduler.end = max(1, min(scheduler.end, steps // 5))
            continue
        scheduler.end = epochs
        if 'milestones' in scheduler:
            scheduler.milestones = [
                max(1, round(m * epochs / before))
                for m in scheduler.milestones
            ]
    cfg.param_scheduler = schedulers
    interval = max(1, min(10, steps_per_epoch // 2))
    cfg.default_hooks.logger.interval = interval
    cfg.log_processor.window_size = interval


def set_size(
    cfg: Config,
    pictures: int,
    batch_size: int | None,
    epochs: int | None,
    is_large: bool,
) -> tuple[int, int]:
    """Set batch and length of a fine-tuning.

    Args:
        cfg: The config; it is changed.
        pictures: Labeled pictures.
        batch_size: Pictures of a batch; None keeps the recipe's.
        epochs: Passes over the pictures; None sets them by the steps.
        is_large: Whether the machine has a GPU.

    Returns:
        Epochs and steps of the training.
    """
    loader = cfg.train_dataloader
    loader.batch_size = min(batch_size or loader.batch_size, pictures)
    if not is_large:
        loader.num_workers = min(loader.num_workers, 2)
    per_epoch = pictures // loader.batch_size
    if not loader.get('drop_last', False):
        per_epoch = -(-pictures // loader.batch_size)
    epochs = epochs or default_epochs(per_epoch, is_large)
    set_length(cfg, epochs, per_epoch)
    # About ten checkpoints per run: a kill loses at most a tenth.
    cfg.default_hooks.checkpoint.interval = max(1, epochs // 10)
    cfg.default_hooks.checkpoint.max_keep_ckpts = 2
    return epochs, epochs * per_epoch


def default_epochs(steps_per_epoch: int, is_large: bool) -> int:
    """Return the default length of a fine-tuning in epochs."""
    steps = LARGE_STEPS if is_large else SMALL_STEPS
    return max(-(-steps // steps_per_epoch), FEWEST_EPOCHS)
