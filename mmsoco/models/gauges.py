"""Label-free gauges of embeddings: retrieval across views, effective rank."""

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def retrieval_hit_rate(embeddings: Tensor, others: Tensor) -> Tensor:
    """Return how often the nearest object of the other view is the same.

    Each row is compared with all rows of the other view by its cosine, in both
    directions. A tie with another object counts as a miss, so that equal
    embeddings score 0.

    Args:
        embeddings: (R, D), any floating type, of the objects of one view.
        others: (R, D); row r is the same object in another view. Objects
            that occur in several rows can only hit by chance.

    Returns:
        A scalar in [0, 1]; the chance level is 1 / R.

    Raises:
        ValueError: If the shapes differ.
    """
    if embeddings.shape != others.shape:
        raise ValueError(
            'retrieval_hit_rate expects the same objects in both views, got '
            f'{tuple(embeddings.shape)} and {tuple(others.shape)}'
        )
    one = F.normalize(embeddings.float(), dim=-1)
    two = F.normalize(others.float(), dim=-1)
    cosine = one @ two.T  # (R, R)
    own = cosine.diagonal()
    is_own = torch.eye(len(own), dtype=torch.bool, device=own.device)
    rest = cosine.masked_fill(is_own, -torch.inf)
    hits = torch.cat([own > rest.amax(dim=0), own > rest.amax(dim=1)])
    return hits.float().mean()


@torch.no_grad()
def effective_rank(embeddings: Tensor) -> Tensor:
    """Return the effective number of dimensions of embeddings.

    The exponential of the entropy of the singular values, normalized to a
    sum of 1 (Roy and Vetterli, "The effective rank", EUSIPCO 2007). The
    matrix is not centered: embeddings that are all the same
    have rank 1.

    Args:
        embeddings: (R, D), any floating type.

    Returns:
        A float32 scalar in [1, min(R, D)]; 0 if all values are zero.
    """
    # The singular values are the square roots of the eigenvalues of the
    # smaller Gram matrix, but small ones would be lost in rounding.
    singular = torch.linalg.svdvals(embeddings.double())
    total = singular.sum()
    if total == 0:
        return total.float()
    share = singular / total
    return torch.special.entr(share).sum().exp().float()
