"""Score how well features distinguish the classes of boxes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mmsoco.models.contrast_head import embedding_std
from mmsoco.models.gauges import effective_rank
from mmsoco.utils.extras import require_extra

from .labelled_pictures import LabelledPicture, LabelledSplit

# Inverse strength of the L2 penalty on standardized features.
LINEAR_C = 0.1


@dataclass(frozen=True)
class Score:
    """How well the classes of the validation boxes are distinguished.

    Attributes:
        knn: Accuracy of the nearest neighbors by cosine, of features
            standardized by the training boxes.
        knn_balanced: Mean of their recalls over the classes.
        linear: Accuracy of logistic regression.
        linear_balanced: Mean of its recalls over the classes.
        linear_recall: Its recall of each class.
        linear_error: Standard error of ``linear``; the boxes of a picture
            count as one sample.
        spread: `embedding_std` of the features.
        effective_rank: See `mmsoco.models.gauges.effective_rank`.
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


def score_features(
    train: np.ndarray,
    val: np.ndarray,
    data: LabelledSplit,
    neighbours: int = 20,
) -> Score:
    """Score the features of one module.

    Args:
        train: (R, D) features of the training boxes in the order of
            ``data.train``.
        val: The same of the validation boxes.
        data: The pictures and their labels.
        neighbours: Neighbors that vote for a class.

    Raises:
        ModuleNotFoundError: If scikit-learn is missing.
    """
    require_extra('report')
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

    labels, truth = data.labels()
    scaler = StandardScaler().fit(train)
    train, val_scaled = scaler.transform(train), scaler.transform(val)
    knn = KNeighborsClassifier(min(neighbours, len(train)), metric='cosine')
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


def _recalls(
    truth: np.ndarray, guesses: np.ndarray, num_classes: int
) -> np.ndarray:
    """Return (num_classes,) recalls; NaN for classes without a box."""
    from sklearn.metrics import confusion_matrix

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

    The boxes of a picture resemble each other, so pictures are the samples:
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
