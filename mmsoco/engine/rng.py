"""Seed the random numbers of a training process by its iteration.

Dropout, stochastic depth and mmdet's samplers draw from generators of the
whole process. A checkpoint would only have the states of the process that
writes it; the others would have to send theirs at a moment that only the first
one knows (a signal, or a timer). Seeding the generators in each iteration
needs no states: any process can repeat an iteration.
"""

import random

import numpy as np
import torch


def seed_iteration(seed: int, iteration: int) -> None:
    """Seed all generators of this process, those of its GPUs included.

    Args:
        seed: Seed of the run and process.
        iteration: Number of the iteration that is about to draw.
    """
    words = np.random.SeedSequence([seed, iteration]).generate_state(4)
    first, second, *both = (int(word) for word in words)
    random.seed(first)
    np.random.seed(second)
    torch.manual_seed(both[0] << 32 | both[1])
