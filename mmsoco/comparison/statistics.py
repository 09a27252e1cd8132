"""Estimate differences from a few paired runs, with their uncertainty.

A pair is one seed: the same label subset and fine-tuning seed for both
starts. All numbers are AP in percent.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# With fewer pairs, an interval would not be reliable.
LEAST_PAIRS = 3
# With fewer cells, ranks agree by chance.
LEAST_CELLS = 5
# A bootstrap of fewer differences has too few values to draw from.
LEAST_BOOTSTRAP = 8
# Half the width of the interval that "k more seeds" aims at, AP.
RESOLUTION = 1.0
_MOST_SEEDS = 1000
_RESAMPLES = 9999


@dataclass(frozen=True)
class Summary:
    """Mean and spread of some runs.

    Attributes:
        n: Number of runs.
        mean: Their mean.
        sd: Standard deviation with n - 1; None for one run.
    """

    n: int
    mean: float
    sd: float | None


@dataclass(frozen=True)
class Difference:
    """The mean paired difference of two starts.

    Attributes:
        n: Number of pairs.
        mean: Mean difference.
        sd: Standard deviation of the differences; None for one pair.
        low: Lower end of the 95 % t interval; None below three pairs.
        high: Its upper end.
        boot_low: Lower end of the 95 % bootstrap interval (BCa); None below
            eight pairs.
        boot_high: Its upper end.
        p: Two-sided p of the sign-flip permutation test; None below three
            pairs.
    """

    n: int
    mean: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    boot_low: float | None = None
    boot_high: float | None = None
    p: float | None = None


def summarize(values: Sequence[float]) -> Summary:
    """Return mean and spread of at least one value."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(len(values), float(np.mean(values)), sd)


def pairs(
    first: Mapping[int, float], second: Mapping[int, float]
) -> list[float]:
    """Return first minus second at the seeds that both have."""
    return [first[s] - second[s] for s in sorted(first) if s in second]


def paired_difference(values: Sequence[float]) -> Difference:
    """Describe paired differences.

    Args:
        values: At least one difference.

    Returns:
        Their mean, and the statistics that their number allows.

    Raises:
        ValueError: If there is no difference.
    """
    if not len(values):
        raise ValueError('expected at least one pair, got none')
    summary = summarize(values)
    if summary.n < LEAST_PAIRS or summary.sd is None:
        return Difference(summary.n, summary.mean, summary.sd)
    half = half_width(summary.sd, summary.n)
    boot = bootstrap_interval(values)
    return Difference(
        n=summary.n,
        mean=summary.mean,
        sd=summary.sd,
        low=summary.mean - half,
        high=summary.mean + half,
        boot_low=boot and boot[0],
        boot_high=boot and boot[1],
        p=sign_flip(values),
    )


def half_width(sd: float, n: int) -> float:
    """Return half the width of the 95 % t interval: t sd / sqrt(n)."""
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
    return float(quantile * sd / math.sqrt(n))


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the bias-corrected bootstrap interval of the mean.

    Returns:
        Its ends; None for few or equal values.
    """
    if len(values) < LEAST_BOOTSTRAP or np.ptp(values) == 0:
        return None
    result = stats.bootstrap(
        (np.asarray(values),),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=_RESAMPLES,
        method='BCa',
        rng=np.random.default_rng(0),
    )
    interval = result.confidence_interval
    return float(interval.low), float(interval.high)


def sign_flip(values: Sequence[float]) -> float:
    """Return the two-sided p of the mean under random signs.

    If pretraining made no difference, each difference could just as well have
    the other sign. All sign patterns are tried if there are at most 9,999,
    else that many random ones.
    """
    result = stats.permutation_test(
        (np.asarray(values, float), np.zeros(len(values))),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type='samples',
        vectorized=True,
        n_resamples=_RESAMPLES,
        alternative='two-sided',
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def more_seeds(sd: float, n: int) -> int:
    """Estimate how many more pairs make the interval narrow enough.

    Args:
        sd: Standard deviation of the differences.
        n: Pairs so far.

    Returns:
        The number of pairs to add, at the spread so far; at least 1, at most
        1,000.
    """
    for total in range(n + 1, n + _MOST_SEEDS):
        if half_width(sd, total) <= RESOLUTION:
            return total - n
    return _MOST_SEEDS


def verdict(difference: Difference) -> str:
    """Put the difference to another start into words."""
    if difference.n < LEAST_PAIRS:
        return (
            f'cannot tell yet ({difference.n} of at least {LEAST_PAIRS} '
            f'pairs, {LEAST_PAIRS - difference.n} more needed)'
        )
    low, high, sd = difference.low, difference.high, difference.sd
    # `paired_difference` gives them to as many pairs.
    assert low is not None and high is not None and sd is not None
    if low > 0:
        return f'helps by {low:.1f} to {high:.1f} AP'
    if high < 0:
        return f'hurts by {-high:.1f} to {-low:.1f} AP'
    between = f'between {low:+.1f} and {high:+.1f} AP'
    if half_width(sd, difference.n) <= RESOLUTION:
        return f'no gain shown: {between}'
    more = more_seeds(sd, difference.n)
    about = f'{more}' if more < _MOST_SEEDS else 'more than 1,000'
    seeds = 'seed' if more == 1 else 'seeds'
    return (
        f'cannot tell yet ({between}): about {about} more {seeds} would '
        f'resolve {RESOLUTION:g} AP'
    )


def labels_for(
    ap: float, budgets: Sequence[int], means: Sequence[float]
) -> float | None:
    """Return how many labels a start needs for an AP.

    Between two budgets the AP is interpolated over the logarithm of the
    labels; beyond them nothing is claimed.

    Args:
        ap: The AP to reach.
        budgets: Label budgets in rising order.
        means: The start's mean AP at each of them.

    Returns:
        The number of labels; None if the AP is outside the curve.
    """
    points = list(zip(budgets, means, strict=True))
    for (b0, m0), (b1, m1) in zip(points, points[1:], strict=False):
        if min(m0, m1) <= ap <= max(m0, m1) and m0 != m1:
            share = (ap - m0) / (m1 - m0)
            return float(b0 * (b1 / b0) ** share)
    return None


def rank_correlation(
    first: Sequence[float], second: Sequence[float]
) -> float | None:
    """Return Spearman's correlation.

    Returns:
        From -1 to 1; None for fewer than five pairs, or if all values of one
        side are equal.
    """
    if len(first) < LEAST_CELLS or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(stats.spearmanr(first, second).statistic)
