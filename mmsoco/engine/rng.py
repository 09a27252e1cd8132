"""Random numbers of a training process, as a function of its iteration.

Dropout, stochastic depth and mmdet's samplers draw from generators of the
whole process. States kept in a checkpoint would be those of the process that
writes it, and the other ones of a distributed run would have to send theirs
at a moment that only the first one knows (a signal, a minute that is over).
Seeding the generators anew in each iteration needs no states at all: any
process makes the same iteration again.
"""

import random

import numpy as np
import torch


def seed_iteration(seed: int, iteration: int) -> None:
    """Seed all generators of this process, those of its GPUs included.

    Args:
        seed: Of the run and process; equal ones give equal numbers.
        iteration: Number of the iteration that is about to draw.
    """
    words = np.random.SeedSequence([seed, iteration]).generate_state(4)
    first, second, *both = (int(word) for word in words)
    random.seed(first)
    np.random.seed(second)
    torch.manual_seed(both[0] << 32 | both[1])
