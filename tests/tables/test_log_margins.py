"""Which columns span magnitudes, and the margins that read them by their logarithms."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import norm

from skpc._tables.columns import Columns
from skpc._tables.log_margins import _gain, log_margin, spans_magnitudes, with_log_margins


def counted(values):
    return np.unique(np.asarray(values, float), return_counts=True)


def lognormal(deviation, n_rows=400, seed=0):
    return np.exp(deviation * np.random.default_rng(seed).normal(size=n_rows))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (lognormal(1.5), True),
        (lognormal(1.5) * 2.0**40, True),
        (lognormal(0.8), False),
        (-lognormal(1.5), False),
        (lognormal(1.5) - 1.0, False),
        (np.random.default_rng(0).normal(size=400), False),
        (np.random.default_rng(0).uniform(size=400), False),
        (np.random.default_rng(0).exponential(size=400), False),
        (np.full(9, 3.0), False),
        (np.zeros(9), False),
    ],
)
def test_columns_that_span_magnitudes(values, expected):
    assert spans_magnitudes(*counted(values)) is expected


@pytest.mark.parametrize("share", [0.04, 0.2])
@pytest.mark.parametrize("deviation", [0.3, 1.8])
@pytest.mark.parametrize("error", [1e6, 0.0, -50.0])
def test_gross_errors_do_not_decide(deviation, error, share):
    """Not if they are few; and many that are large do not make a column span magnitudes."""
    values = lognormal(deviation)
    wrong = values.copy()
    wrong[: int(share * len(values))] = error
    is_spared = share < 0.05 or (deviation < 1.0 and error > 0.0)
    if is_spared:
        assert spans_magnitudes(*counted(wrong)) == spans_magnitudes(*counted(values))


def test_the_gain_is_that_of_log_densities():
    """Of the two distributions with the same quantiles of 5 and 95 %, each fitted to them."""
    values = np.sort(lognormal(1.3, 1000))
    weights = np.random.default_rng(5).integers(1, 4, 1000).astype(float)
    low, high = 0.2, 9.0
    inner = (values >= low) & (values <= high)
    raw = norm((low + high) / 2, (high - low) / (2 * norm.ppf(0.95)))
    logs = norm(np.log(low * high) / 2, np.log(high / low) / (2 * norm.ppf(0.95)))
    # At the middle of either: how far values are from it says nothing of scales.
    peaks = logs.logpdf(logs.mean()) - raw.logpdf(raw.mean())
    expected = peaks - np.average(np.log(values[inner]), weights=weights[inner])
    assert _gain(values, weights, low, high) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("factor", [1.0, 1e-200, 1e140])
def test_the_normal_scale_is_that_of_logarithms(factor):
    values = np.sort(lognormal(2.0)) * factor
    margin = log_margin(values, np.ones(len(values)))
    margin.check()
    x = np.exp(np.linspace(np.log(values[0]), np.log(values[-1]) + 2.0, 1000))
    lower, upper, log_scale = margin.cells(x)
    np.testing.assert_array_equal(lower, upper)
    low, middle, high = values[[19, 199, 379]]
    scale = np.log(high / low) / 3.2897
    np.testing.assert_allclose(lower, np.log(x / middle) / scale, atol=2e-3)
    # The Jacobian, so that densities of logarithms are what is left without it.
    np.testing.assert_allclose(log_scale, -np.log(x * scale), atol=0.02)
    inside = x <= values[-1]
    np.testing.assert_allclose(margin.inverse(lower[inside]), x[inside], rtol=1e-9)


def test_zero_and_negative_numbers_go_on_in_a_straight_line():
    values = np.append(0.0, np.sort(lognormal(2.0)))
    margin = log_margin(values, np.ones(len(values)))
    least = values[1]
    scores = margin.cells(least * np.array([1.0, 0.5, 0.0, -1.0, -2.0])).lower
    steps = np.diff(scores) / [-0.5, -0.5, -1.0, -1.0]
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    assert steps[0] > 0.0
    far = margin.cells(np.array([1e308, -1e308, 5e-324]))
    assert np.isfinite(far.lower).all()
    assert np.isfinite(far.log_scale).all()


def test_only_columns_of_numbers_that_span_magnitudes_are_read_so():
    rng = np.random.default_rng(1)
    prices, sizes, codes = lognormal(2.0), rng.normal(size=400), rng.integers(0, 3, 400) * 1.0
    holes = np.where(rng.random(400) < 0.3, np.nan, lognormal(2.0, seed=2))
    X = np.stack([sizes, prices, codes, holes, prices], axis=1)
    kinds = ["gaussian", "gaussian", "categorical", "gaussian", "numeric"]
    columns = Columns.learn(X, kinds)
    ones = np.ones(400)
    read, logs = with_log_margins(columns, X, ones)
    assert logs == (1, 3)
    kinds = ["gaussian", "numeric", "categorical", "numeric", "numeric"]
    assert [one.type for one in read.columns] == kinds
    assert read.columns[4] is columns.columns[4]
    sparse, same = with_log_margins(columns, csr_array(X), ones)
    assert same == logs
    for margin in sparse.columns[1].margin, log_margin(*counted(prices)):
        np.testing.assert_array_equal(margin.scores, read.columns[1].margin.scores)


def test_weights_are_repetitions_and_order_does_not_matter():
    values = lognormal(1.7, 60)
    weights = np.random.default_rng(3).integers(1, 5, 60)
    X = values[:, None]
    columns = Columns.learn(X, "gaussian")
    order = np.random.default_rng(4).permutation(int(weights.sum()))
    repeated = np.repeat(values, weights)[order, None]
    one = with_log_margins(columns, X, weights.astype(float))[0].columns[0].margin
    other = with_log_margins(columns, repeated, np.ones(len(order)))[0].columns[0].margin
    for part, expected in zip(one.to_arrays().values(), other.to_arrays().values(), strict=True):
        np.testing.assert_array_equal(part, expected)
