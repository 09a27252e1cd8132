"""Probe whether features distinguish the classes of labeled boxes.

This takes a minute, and replaces fine-tuning while a recipe is being
developed: the boxes of labeled pictures are pooled as the detector does, and
simple classifiers are trained on the features of each module. Features that a
detector can use should separate the classes better than those of the untrained
network, and better than the size and the colors of a box do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mmsoco.structures import InputConvention

from .controls import control_features
from .encoders import build_encoder, load_weights
from .labelled_pictures import (
    LabelledPicture,
    LabelledSplit,
    read_coco,
    split,
)
from .object_features import object_features, use_precise_statistics
from .picture_batches import Batch, batches
from .scores import Score, score_features


@dataclass(frozen=True)
class ProbeSettings:
    """Settings of a probe.

    Attributes:
        num_train: Pictures that the classifiers are trained on.
        num_val: Pictures that they are judged on.
        image_size: (h, w) that pictures are resized to fit into: the scale
            of fine-tuning.
        neighbours: Neighbors that vote for a class.
        precise_statistics: Whether batch norm's statistics are recomputed on
            the training pictures. Fine-tuning uses the statistics of its
            batches; the running ones of an untrained network are 0 and 1, and
            would change its function.
        batch_size: Pictures of a batch.
        seed: Seed of the split and of the untrained network.
    """

    num_train: int = 500
    num_val: int = 300
    image_size: tuple[int, int] = (320, 320)
    neighbours: int = 20
    precise_statistics: bool = True
    batch_size: int = 16
    seed: int = 0


@dataclass(frozen=True)
class ProbeResult:
    """The result of a probe of one network.

    Attributes:
        modules: The score of each module's features.
        controls: Scores of features without a network: ``size`` (width and
            height of the box), ``color`` (mean and deviation of its pixels),
            and both.
        majority: Accuracy of always predicting the most frequent class.
        boxes: Number of boxes in training and validation.
        loaded: Tensors that were loaded, by part; empty if untrained.
        settings: The settings of the probe.
    """

    modules: dict[str, Score]
    controls: dict[str, Score]
    majority: float
    boxes: dict[str, int]
    loaded: dict[str, int] = field(default_factory=dict)
    settings: ProbeSettings = field(default_factory=ProbeSettings)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON takes them."""
        return asdict(self)


def probe(
    detector: dict,
    weights: str | Path | Mapping[str, Tensor] | None,
    images: str | Path,
    annotations: str | Path,
    settings: ProbeSettings | None = None,
) -> ProbeResult:
    """Probe a detector's weights on labeled pictures.

    Args:
        detector: Config of the mmdet detector (its whole ``model``).
        weights: See `load_weights`; None probes the
            untrained network.
        images: Folder of the pictures.
        annotations: Their COCO-style JSON.
        settings: How to probe.

    Returns:
        The scores by module.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If the annotations or the weights do not fit; see
            `read_coco` and `load_weights`.
    """
    settings = settings or ProbeSettings()
    data = read_split(images, annotations, settings)
    encoder = build_encoder(detector, settings.seed)
    # A detector without this entry gets the input of its pretraining.
    convention = InputConvention.of_detector(detector) or InputConvention()
    loaded = {}
    if weights is not None:
        loaded = load_weights(encoder, weights, convention)
    if settings.precise_statistics:
        use_precise_statistics(
            encoder, _batches(data.train, convention, settings)
        )
    train, val = (
        object_features(encoder, _batches(pictures, convention, settings))
        for pictures in (data.train, data.val)
    )
    _, val_labels = data.labels()
    return ProbeResult(
        modules=_scores(train, val, data, settings),
        controls=_controls(data, settings),
        majority=float(np.bincount(val_labels).max() / len(val_labels)),
        boxes=dict(
            zip(('train', 'val'), map(len, data.labels()), strict=True)
        ),
        loaded=loaded,
        settings=settings,
    )


def untrained(
    detector: dict,
    images: str | Path,
    annotations: str | Path,
    settings: ProbeSettings | None = None,
) -> ProbeResult:
    """Probe the untrained network of a detector's config; see `probe`."""
    return probe(detector, None, images, annotations, settings)


def compare(trained: ProbeResult, start: ProbeResult) -> str:
    """Show trained weights next to the untrained network as lines of text.

    Args:
        trained: The probe of the weights.
        start: The probe of the untrained network on the same pictures.
    """
    rows = [
        f'{"module":<16}{"20-NN":>8}{"(start)":>9}{"linear":>9}{"(start)":>9}'
        f'{"rank":>8}{"(start)":>9}'
    ]
    for name, score in trained.modules.items():
        own = start.modules[name]
        rows.append(
            f'{name:<16}{score.knn:>8.3f}{own.knn:>9.3f}{score.linear:>9.3f}'
            f'{own.linear:>9.3f}{score.effective_rank:>8.1f}'
            f'{own.effective_rank:>9.1f}'
        )
    for name, score in trained.controls.items():
        rows.append(f'{name:<16}{score.knn:>8.3f}{score.linear:>18.3f}')
    error = trained.modules['trunk'].linear_error
    rows.append(
        f'majority class {trained.majority:.3f}; standard error about '
        f'{error:.3f}; {trained.boxes["val"]} boxes'
    )
    return '\n'.join(rows)


def read_split(
    images: str | Path, annotations: str | Path, settings: ProbeSettings
) -> LabelledSplit:
    """Read labeled pictures and split them as the settings say.

    Raises:
        FileNotFoundError: If there are no annotations.
        ValueError: See `read_coco` and `split`; or the training boxes are
            all of one class.
    """
    classes, pictures = read_coco(images, annotations)
    data = LabelledSplit(
        classes,
        *split(pictures, settings.num_train, settings.num_val, settings.seed),
    )
    if len(np.unique(data.labels()[0])) < 2:
        raise ValueError(
            f'the {len(data.train)} training pictures of the probe from '
            f'{annotations} have boxes of only one class, but a probe needs '
            'at least two. Give it more pictures or classes.'
        )
    return data


def _batches(
    pictures: Sequence[LabelledPicture],
    convention: InputConvention,
    settings: ProbeSettings,
) -> Iterator[Batch]:
    return batches(
        pictures, settings.image_size, convention, settings.batch_size
    )


def _scores(
    train: Mapping[str, np.ndarray],
    val: Mapping[str, np.ndarray],
    data: LabelledSplit,
    settings: ProbeSettings,
) -> dict[str, Score]:
    return {
        name: score_features(train[name], val[name], data, settings.neighbours)
        for name in train
    }


def _controls(
    data: LabelledSplit, settings: ProbeSettings
) -> dict[str, Score]:
    """Score the features of boxes that need no network."""
    train, val = (
        control_features(pictures) for pictures in (data.train, data.val)
    )
    return _scores(train, val, data, settings)
