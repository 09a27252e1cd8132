"""Can the classes of labelled boxes be read from a network's features?

A minute's substitute for fine-tuning while a recipe is being looked for: the
boxes of labelled pictures are pooled as the detector pools them, and simple
classifiers are trained on the features of each module. Features that a
detector can use should tell the classes apart better than those of the
untrained network, and better than the size and the colours of a box do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from mmsoco.models.contrast_head import embedding_std

from . import object_features as of
from .gauges import effective_rank
from .labelled_pictures import LabelledPicture, read_coco, split


@dataclass(frozen=True)
class ProbeSettings:
    """How a probe is made.

    Attributes:
        num_train: Pictures that the classifiers are trained on.
        num_val: Pictures that they are judged on.
        image_size: (h, w) that pictures are resized to fit into: the scale
            of fine-tuning.
        neighbours: Neighbours that vote for a class.
        precise_statistics: Whether batch norm's statistics are computed anew
            on the training pictures. Fine-tuning starts with the statistics
            of its batches; the running ones of an untrained network are 0
            and 1, which make another function of it.
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
class Score:
    """How well the classes of the validation boxes are told apart.

    Attributes:
        knn: Accuracy of the nearest neighbours by cosine, of features
            standardized by the training boxes.
        knn_balanced: Mean of their recalls over the classes.
        linear: Accuracy of logistic regression.
        linear_balanced: Mean of its recalls over the classes.
        linear_recall: Its recall of each class.
        linear_error: Standard error of ``linear``, in which the boxes of a
            picture count as one draw.
        spread: `embedding_std` of the features.
        effective_rank: See `mmsoco.evaluation.gauges.effective_rank`.
        dims: Number of features.
    """

    knn: float
    knn_balanced: float
    linear: float
    linear_balanced: float
    linear_recall: dict[str, float]
    linear_error: float
    spread: float
    effective_rank: float
    dims: int


@dataclass(frozen=True)
class ProbeResult:
    """What a probe of one network found.

    Attributes:
        modules: The score of each module's features.
        controls: Scores of what needs no network: ``size`` (width and
            height of the box), ``colour`` (mean and deviation of its
            pixels), and both.
        majority: Accuracy of naming the most frequent class.
        boxes: Number of boxes in training and validation.
        loaded: Tensors that were loaded, by part; empty if untrained.
        settings: How the probe was made.
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


@dataclass(frozen=True)
class LabelledSplit:
    """The pictures of a probe.

    Attributes:
        classes: Names of the classes.
        train: Pictures that the classifiers are trained on.
        val: Pictures that they are judged on.
    """

    classes: Sequence[str]
    train: Sequence[LabelledPicture]
    val: Sequence[LabelledPicture]

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels of all training and validation boxes."""
        return tuple(
            np.concatenate([picture.labels for picture in pictures])
            for pictures in (self.train, self.val)
        )


def probe(
    detector: Mapping,
    weights: str | Path | Mapping[str, Tensor] | None,
    images: str | Path,
    annotations: str | Path,
    settings: ProbeSettings | None = None,
) -> ProbeResult:
    """Probe a detector's weights on labelled pictures.

    Args:
        detector: Config of the mmdet detector (its whole ``model``).
        weights: See `object_features.load_weights`; None probes the
            untrained network.
        images: Folder of the pictures.
        annotations: Their COCO-style JSON.
        settings: How to probe.

    Returns:
        The scores by module.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: The annotations or the weights do not fit; see
            `read_coco` and `object_features.load_weights`.
    """
    settings = settings or ProbeSettings()
    data = read_split(images, annotations, settings)
    encoder = of.build_encoder(detector, settings.seed)
    loaded = {}
    if weights is not None:
        loaded = of.load_weights(encoder, weights)
    normalize = detector.get('data_preprocessor') or {}
    if settings.precise_statistics:
        of.use_precise_statistics(
            encoder, _batches(data.train, normalize, settings)
        )
    train, val = (
        of.object_features(encoder, _batches(pictures, normalize, settings))
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


def read_split(
    images: str | Path, annotations: str | Path, settings: ProbeSettings
) -> LabelledSplit:
    """Read labelled pictures and split them as the settings say.

    Raises:
        FileNotFoundError: There are no annotations.
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
            f'{annotations} have boxes of one class only; a probe tells '
            'classes apart. Give it more pictures or classes.'
        )
    return data


def _batches(
    pictures: Sequence[LabelledPicture],
    normalize: Mapping,
    settings: ProbeSettings,
) -> Iterator[of.Batch]:
    return of.batches(
        pictures, settings.image_size, normalize, settings.batch_size
    )


def _scores(
    train: Mapping[str, np.ndarray],
    val: Mapping[str, np.ndarray],
    data: LabelledSplit,
    settings: ProbeSettings,
) -> dict[str, Score]:
    return {
        name: score_features(train[name], val[name], data, settings)
        for name in train
    }


def score_features(
    train: np.ndarray,
    val: np.ndarray,
    data: LabelledSplit,
    settings: ProbeSettings,
) -> Score:
    """Score the features of one module.

    Args:
        train: (R, D) features of the training boxes in the order of
            ``data.train``.
        val: The same of the validation boxes.
        data: The pictures and their labels.
        settings: How many neighbours vote.
    """
    labels, truth = data.labels()
    scaler = StandardScaler().fit(train)
    train, val_scaled = scaler.transform(train), scaler.transform(val)
    knn = KNeighborsClassifier(
        min(settings.neighbours, len(train)), metric='cosine'
    )
    linear = LogisticRegression(C=LINEAR_C, max_iter=500)
    votes = knn.fit(train, labels).predict(val_scaled)
    guesses = linear.fit(train, labels).predict(val_scaled)
    recalls = _recalls(truth, guesses, len(data.classes))
    embeddings = torch.from_numpy(val)
    return Score(
        knn=float((votes == truth).mean()),
        knn_balanced=_mean_recall(truth, votes, len(data.classes)),
        linear=float((guesses == truth).mean()),
        linear_balanced=_mean_recall(truth, guesses, len(data.classes)),
        linear_recall={
            name: float(recall)
            for name, recall in zip(data.classes, recalls, strict=True)
            if not np.isnan(recall)
        },
        linear_error=clustered_error(guesses == truth, data.val),
        spread=float(embedding_std(embeddings)),
        effective_rank=float(effective_rank(embeddings)),
        dims=train.shape[1],
    )


# Inverse strength of the L2 penalty on standardized features.
LINEAR_C = 0.1


def _recalls(
    truth: np.ndarray, guesses: np.ndarray, num_classes: int
) -> np.ndarray:
    """Return (num_classes,) recalls; NaN for classes without a box."""
    counts = confusion_matrix(truth, guesses, labels=range(num_classes))
    with np.errstate(invalid='ignore'):
        return counts.diagonal() / counts.sum(axis=1)


def _mean_recall(
    truth: np.ndarray, guesses: np.ndarray, num_classes: int
) -> float:
    return float(np.nanmean(_recalls(truth, guesses, num_classes)))


def clustered_error(
    correct: np.ndarray, pictures: Sequence[LabelledPicture]
) -> float:
    """Return the standard error of an accuracy over boxes of pictures.

    The boxes of a picture resemble each other, so pictures are the draws:
    the error is that of a ratio of means (Cochran, "Sampling Techniques",
    section 2.11), without the finite-population factor.

    Args:
        correct: (R,) bool, in the order of the pictures' boxes.
        pictures: The pictures of the boxes.
    """
    sizes = np.array([len(picture.labels) for picture in pictures])
    hits = np.array(
        [part.sum() for part in np.split(correct, np.cumsum(sizes)[:-1])]
    )
    if len(sizes) < 2:
        return float('nan')
    residual = hits - sizes * correct.mean()
    variance = (residual**2).sum() / (len(sizes) - 1) / len(sizes)
    return float(np.sqrt(variance) / sizes.mean())


def _controls(
    data: LabelledSplit, settings: ProbeSettings
) -> dict[str, Score]:
    """Score what is known of a box without a network."""
    train, val = (
        control_features(pictures) for pictures in (data.train, data.val)
    )
    return _scores(train, val, data, settings)


def control_features(
    pictures: Sequence[LabelledPicture],
) -> dict[str, np.ndarray]:
    """Return simple features of all boxes by name.

    Args:
        pictures: The pictures; they are read once more.

    Returns:
        ``size``: (R, 2) logarithms of width and height; ``colour``: (R, 6)
        mean and standard deviation of red, green and blue in 0..1;
        ``size+colour``: both.
    """
    boxes = np.concatenate([picture.boxes for picture in pictures])
    sizes = np.log(boxes[:, 2:] - boxes[:, :2])
    colours = np.concatenate([_colours(picture) for picture in pictures])
    return dict(
        size=sizes,
        colour=colours,
        **{'size+colour': np.concatenate([sizes, colours], axis=1)},
    )


def _colours(picture: LabelledPicture) -> np.ndarray:
    image = of.read_rgb(picture.path)
    rows = []
    for box in picture.boxes:
        last = np.array(image.shape[1::-1]) - 1
        x1, y1 = np.floor(box[:2]).astype(int).clip(0, last)
        x2, y2 = np.maximum(np.ceil(box[2:]).astype(int), (x1 + 1, y1 + 1))
        pixels = image[y1:y2, x1:x2].reshape(-1, 3) / 255
        rows.append(np.concatenate([pixels.mean(0), pixels.std(0)]))
    return np.array(rows, np.float32)
