"""Against closed forms: hand-computed intervals, all sign patterns."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from mmsoco.comparison import statistics as st


def test_summary_of_known_numbers():
    summary = st.summarize([2.0, 4.0, 9.0])
    # mean 5; squares 9 + 1 + 16 = 26; 26 / 2 = 13
    assert (summary.n, summary.mean) == (3, 5.0)
    assert summary.sd == pytest.approx(math.sqrt(13))
    assert st.summarize([3.0]).sd is None


# Quantiles of Student's t for 97.5 % from a printed table.
@pytest.mark.parametrize(('n', 'quantile'), [(3, 4.303), (6, 2.571)])
def test_half_width_is_that_of_the_table(n, quantile):
    expected = quantile * 2.0 / math.sqrt(n)
    assert st.half_width(2.0, n) == pytest.approx(expected, rel=2e-4)


def test_widths_that_the_protocol_names():
    """With 3 pairs 2.5, with 6 pairs 1.05 standard deviations each way."""
    assert st.half_width(1.0, 3) == pytest.approx(2.48, abs=0.01)
    assert st.half_width(1.0, 6) == pytest.approx(1.05, abs=0.01)


def test_interval_by_hand():
    # differences 1, 2, 3: mean 2, sd 1, t 4.3027 / sqrt(3) = 2.4841
    difference = st.paired_difference([1.0, 2.0, 3.0])
    assert difference.low == pytest.approx(2 - 2.4841, abs=1e-3)
    assert difference.high == pytest.approx(2 + 2.4841, abs=1e-3)


def flipped(values) -> float:
    """The share of all sign patterns with a mean at least as far from 0."""
    means = [
        abs(np.mean(np.multiply(signs, values)))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    return np.mean([m >= abs(np.mean(values)) - 1e-12 for m in means])


@pytest.mark.parametrize(
    'values',
    [
        [1.0, 2.0, 3.0],
        [1.0, -2.0, 3.0],
        [0.5, 0.5, 0.5, -0.1, 1.2],
        [-1.0, -2.0, -0.5, -0.7, -3.0, -0.1],
    ],
)
def test_sign_flip_counts_all_patterns(values):
    assert st.sign_flip(values) == pytest.approx(flipped(values))


def test_least_p_of_three_and_six_pairs():
    assert st.sign_flip([1.0, 2.0, 3.0]) == pytest.approx(2 / 2**3)
    assert st.sign_flip([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 2**6)


def test_below_three_pairs_there_is_no_interval():
    difference = st.paired_difference([1.0, 1.5])
    assert difference.low is None
    assert difference.p is None
    assert '1 more needed' in st.verdict(difference)
    with pytest.raises(ValueError, match='at least one pair'):
        st.paired_difference([])


def test_pairs_are_by_seed():
    assert st.pairs({0: 5.0, 2: 7.0, 3: 1.0}, {2: 4.0, 0: 3.0}) == [2.0, 3.0]


def test_bootstrap_only_where_there_is_something_to_draw_from():
    rng = np.random.default_rng(0)
    values = rng.normal(1.0, 1.0, 200)
    low, high = st.bootstrap_interval(values)
    # of many values it agrees with the normal interval
    half = 1.96 * np.std(values, ddof=1) / math.sqrt(200)
    assert low == pytest.approx(np.mean(values) - half, abs=0.03)
    assert high == pytest.approx(np.mean(values) + half, abs=0.03)
    assert st.bootstrap_interval([1.0] * 7) is None
    assert st.bootstrap_interval([1.0] * 20) is None


def test_more_seeds_is_the_least_number():
    more = st.more_seeds(2.0, 3)
    assert st.half_width(2.0, 3 + more) <= 1.0 < st.half_width(2.0, 2 + more)


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ([5.0, 6.0, 5.5], 'helps by 4.3 to 6.7 AP'),
        ([-5.0, -6.0, -5.5], 'hurts by 4.3 to 6.7 AP'),
        ([0.1, -0.1, 0.0], 'no gain shown'),
        ([3.0, -3.0, 1.0], 'cannot tell yet'),
    ],
)
def test_verdicts(values, words):
    # 5, 6, 5.5: sd 0.5, 4.303 * 0.5 / sqrt(3) = 1.24
    assert words in st.verdict(st.paired_difference(values))


def test_labels_between_budgets_lie_on_the_log_line():
    # half of the way from 10 to 20 AP: the geometric mean of 100 and 400
    assert st.labels_for(15.0, [100, 400], [10.0, 20.0]) == pytest.approx(200)
    assert st.labels_for(25.0, [100, 400], [10.0, 20.0]) is None
    assert st.labels_for(25.0, [100], [25.0]) is None


def test_rank_correlation():
    first, second = [3, 1, 4, 10, 5, 9], [2.0, 7.0, 1.0, 8.0, 2.5, 8.5]
    # ranks 2 1 3 6 4 5 and 2 4 1 5 3 6: squares of 0 3 2 1 1 1 make 16
    assert st.rank_correlation(first, second) == pytest.approx(
        1 - 6 * 16 / (6 * (36 - 1))
    )
    assert st.rank_correlation(range(5), [5] * 5) is None
    assert st.rank_correlation(range(4), range(4)) is None


def test_rank_correlation_with_ties_is_that_of_mean_ranks():
    first, second = [1, 1, 2, 3, 3, 3, 8], [5, 2, 2, 9, 1, 7, 7]
    ranks = [
        [np.mean([i for i, v in enumerate(sorted(of), 1) if v == own])
         for own in of]
        for of in (first, second)
    ]  # fmt: skip
    expected = stats.pearsonr(*ranks).statistic
    assert st.rank_correlation(first, second) == pytest.approx(expected)
