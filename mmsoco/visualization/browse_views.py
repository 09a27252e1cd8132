"""Draw the views that a pretraining config makes."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmsoco.datasets.samplers import SampleKey
from mmsoco.datasets.transforms import DrawViews, PhotometricJitter
from mmsoco.models import ObjectEncoder
from mmsoco.models.roi_pooling import index_boxes
from mmsoco.registry import DATASETS, MODELS
from mmsoco.visualization.browse import spread
from mmsoco.visualization.views import LevelNames, draw_sample


def draw_views(
    cfg: Config,
    number: int,
    indices: Sequence[int] | None = None,
    epoch: int = 0,
    seed: int = 0,
) -> Iterator[tuple[int, np.ndarray]]:
    """Draw samples of a config's training set.

    Args:
        cfg: A pretraining config.
        number: How many images, spread over the data set.
        indices: These images instead.
        epoch: The epoch whose random numbers are drawn.
        seed: The run's seed.

    Yields:
        The index of an image, and its picture, (H, W, 3) uint8 RGB.

    Raises:
        FileNotFoundError: If the images or the store are not there.
        ValueError: If the config makes no views, or an index is out of range.
    """
    init_default_scope(cfg.get('default_scope', 'mmsoco'))
    drawing = _drawing_transform(cfg)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    for transform in dataset.pipeline.transforms:
        if isinstance(transform, PhotometricJitter):
            transform.on_device = False  # drawing needs no model
    if indices is None:
        indices = spread(len(dataset), number)
    outside = [i for i in indices if not 0 <= i < len(dataset)]
    if outside:
        raise ValueError(
            f'--index {outside[0]} is out of range: the data set has '
            f'{len(dataset)} images, counted from 0'
        )
    names = names_of_config(cfg)
    for index in indices:
        sample = dataset[SampleKey(seed, epoch, index)]
        yield index, draw_sample(sample, drawing.pairs, level_names=names)


def _drawing_transform(cfg: Config) -> DrawViews:
    """Build the DrawViews of a config's pipeline.

    Raises:
        ValueError: If there is none.
    """
    from mmsoco.registry import TRANSFORMS

    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    for transform in dataset.get('pipeline') or ():
        if str(transform.get('type')).rpartition('.')[2] == 'DrawViews':
            return TRANSFORMS.build(transform)
    raise ValueError(
        f'{cfg.filename} has no DrawViews in train_dataloader.dataset.'
        'pipeline; it is not a pretraining config'
    )


def names_of_config(cfg: Config) -> LevelNames | None:
    """Return a function that names the levels of a config's model."""
    if not cfg.get('model'):
        return None
    encoder = getattr(MODELS.build(cfg.model), 'encoder', None)
    return level_names(encoder) if encoder is not None else None


def level_names(encoder: ObjectEncoder) -> LevelNames:
    """Return a function that names the level that each box is pooled from.

    The rule is that of the encoder's own RoI extractor, so that the picture
    shows what training does: with any detector, and any ``finest_scale``.

    Args:
        encoder: The encoder of the pretraining model.

    Returns:
        A function from (K, 4) boxes to names such as P3 (stride 8 of a
        pyramid) or C4 (stride 16 of a backbone without a neck).
    """
    extractor = encoder.roi_extractor
    letter = 'C' if encoder.neck is None else 'P'
    names = [
        f'{letter}{round(math.log2(stride))}'
        for stride in extractor.featmap_strides
    ]

    def name(bboxes: np.ndarray) -> list[str]:
        rois = index_boxes(torch.as_tensor(bboxes)[None])
        levels = extractor.map_roi_levels(rois, len(names))
        return [names[level] for level in levels.tolist()]

    return name
