"""The loss between online predictions and target projections."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmsoco.registry import MODELS


def mean_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean cosine of corresponding embeddings, in float32.

    Args:
        prediction: (..., R, D), any floating type.
        target: (..., R, D); row r is the same object as row r of
            ``prediction``.

    Returns:
        (...) in [-1, 1]. With K proposals on every image, the mean over
        the R = N * K rows is the mean over the proposals of an image, then
        over the N images.
    """
    return F.cosine_similarity(
        prediction.float(), target.float(), dim=-1
    ).mean(dim=-1)


@torch.no_grad()
def embedding_std(embeddings: Tensor) -> Tensor:
    """Measure the spread of normalized embeddings, to detect a collapse.

    Args:
        embeddings: (R, D), any floating type.

    Returns:
        A scalar: the standard deviation over the rows, averaged over the D
        dimensions and multiplied by sqrt(D). 1 if the embeddings point equally
        in all directions, 0 if they are all the same.
    """
    unit = F.normalize(embeddings.float(), dim=-1)  # (R, D)
    return unit.std(dim=0, unbiased=False).mean() * unit.shape[1] ** 0.5


def check_weight(name: str, weight: Any) -> None:
    """Refuse a factor of a loss that nothing could be learned with.

    Args:
        name: Its name, for the message.
        weight: The factor.

    Raises:
        ValueError: If it is not a finite number above 0.
    """
    is_number = isinstance(weight, int | float)
    if not is_number or not 0 < weight < math.inf:
        raise ValueError(
            f'{name} is the factor of a loss: expected a finite number above '
            f'0, got {weight!r}'
        )


@MODELS.register_module()
class ContrastHead(BaseModule):
    """Compare the objects of two views in both directions.

    For a pair of views (i, j), with online predictions p and target
    projections z of the same objects (paper section 3.2, eq. 3):

        loss = -w * mean cos(p_i, z_j) - w * mean cos(p_j, z_i)

    Args:
        loss_weight: w. The default of 2 makes a direction the squared
            distance of unit vectors without its constant:
            ``|p - z|^2 = 2 - 2 cos(p, z)``.

    Raises:
        ValueError: If the weight is not a number above 0.
    """

    def __init__(self, loss_weight: float = 2.0) -> None:
        super().__init__()
        check_weight('loss_weight', loss_weight)
        self.loss_weight = loss_weight

    def forward(
        self, predictions: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute the losses of all pairs of views at once.

        Args:
            predictions: (P, 2, R, D): p_i and p_j of each of P pairs.
            targets: (P, 2, R, D): z_i and z_j, rows in the same order.

        Returns:
            The loss of each pair, (P,), and the mean of all cosines
            (detached), a scalar.
        """
        cosines = mean_cosine(predictions, targets.flip(1))  # (P, 2)
        return -self.loss_weight * cosines.sum(dim=1), cosines.detach().mean()
