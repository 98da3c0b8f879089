"""Conformal p-values and thresholds, against ranks, binomials and simulation."""

import numpy as np
import pytest
from scipy import stats

from skpc._outliers.conformal import Calibration


def test_p_values_are_ranks_among_the_scores_and_the_new_one():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 30, 40) / 7.0
    new = rng.integers(-2, 33, 50) / 7.0
    expected = [(1 + np.sum(scores <= one)) / 41 for one in new]
    calibration = Calibration.of(scores, np.ones(40))
    np.testing.assert_allclose(calibration.p_values(new), expected, rtol=1e-14)


@pytest.mark.parametrize("share", [0.004, 0.03, 0.1, 0.37, 0.5])
def test_weights_are_repetitions_in_any_order(share):
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 15, 40) / 7.0
    weights = rng.integers(1, 4, 40).astype(float)
    order = rng.permutation(40)
    repeated = np.repeat(scores, weights.astype(int))
    calibrations = [
        Calibration.of(scores, weights),
        Calibration.of(scores[order], weights[order]),
        Calibration.of(repeated, np.ones(len(repeated))),
    ]
    first, *others = [
        (one.threshold(share), one.fence(), one.p_values(scores).tolist()) for one in calibrations
    ]
    assert all(other == first for other in others)


@pytest.mark.parametrize("n_rows", [20, 60, 500])
@pytest.mark.parametrize("share", [0.005, 0.01, 0.05, 0.1, 0.5])
def test_the_threshold_flags_the_share_of_new_scores(n_rows, share):
    """In the mean over calibrations, below the lowest score too, where the tail falls so."""
    rng = np.random.default_rng(0)
    tables = -rng.exponential(size=(1000, n_rows))
    flagged = [
        stats.expon.sf(-Calibration.of(scores, np.ones(n_rows)).threshold(share))
        for scores in tables
    ]
    error = np.std(flagged) / np.sqrt(len(flagged))
    extrapolated = 0.3 * share * (share < 1 / (n_rows + 1))
    assert np.mean(flagged) == pytest.approx(share, abs=4 * error + extrapolated)


def test_thresholds_are_order_statistics_where_they_can_be():
    scores = np.random.default_rng(2).normal(size=99)
    calibration = Calibration.of(scores, np.ones(99))
    for rank in 1, 7, 50:
        assert calibration.threshold(rank / 100) == pytest.approx(np.sort(scores)[rank - 1])


def test_scores_that_many_rows_have_are_flagged_together_or_not_at_all():
    """Shares strictly below 0, 1, 2, 3: none, 4 %, 34 %, 94 %."""
    calibration = Calibration(np.array([0.0, 1.0, 2.0, 3.0]), np.array([40.0, 300.0, 600.0, 60.0]))
    values = calibration.scores
    for share, n_flagged in (0.03, 1), (0.05, 1), (0.15, 1), (0.25, 2), (0.4, 2), (0.01, 0):
        assert (values < calibration.threshold(share)).sum() == n_flagged, share


def test_the_threshold_between_two_atoms_is_one_of_their_scores():
    rng = np.random.default_rng(0)
    for scores in np.sort(-rng.gamma(2.0, 2.0, size=(300, 2)), axis=1):
        calibration = Calibration(scores, np.array([100.0, 900.0]))
        assert calibration.threshold(0.1) == scores[1]
        assert calibration.threshold(0.02) == scores[0]


def test_the_fence_is_three_times_the_lower_spread_away():
    scores = np.arange(101.0)
    assert Calibration.of(scores, np.ones(101)).fence() == 25.0 - 3 * 25.0
    rng = np.random.default_rng(0)
    dirty = np.r_[rng.normal(size=800), rng.normal(-40, 1, 200)]  # a fifth are outliers
    fence = Calibration.of(dirty, np.ones(1000)).fence()
    assert (dirty[800:] < fence).all()
    assert (dirty[:800] < fence).mean() < 0.02
    tied = Calibration(np.array([-1.0, 0.0]), np.array([10.0, 990.0]))
    assert tied.fence() == tied.threshold(0.01)


def test_impossible_rows_have_a_threshold_too():
    calibration = Calibration.of(np.array([-np.inf, -np.inf, 0.0, 1.0]), np.ones(4))
    for share in 0.01, 0.2, 0.4, 0.5:
        assert np.isfinite(calibration.threshold(share))
    assert np.isfinite(calibration.fence())
    assert (
        calibration.p_values([-np.inf])[0] == 1 / 5 or calibration.p_values([-np.inf])[0] == 3 / 5
    )


@pytest.mark.parametrize(
    ("scores", "weights"),
    [
        ([1.0, 0.0], [1.0, 1.0]),
        ([0.0, 1.0], [1.0, 0.0]),
        ([0.0, 1.0], [1.0]),
        ([], []),
        ([0.0, np.nan], [1.0, 1.0]),
    ],
)
def test_what_is_no_calibration_is_refused(scores, weights):
    with pytest.raises(ValueError, match=r"scores|weights"):
        Calibration(np.array(scores), np.array(weights)).check()
