"""Gaussian inputs: densities, expected moments and their M-step against direct formulas."""

import pickle
from dataclasses import replace
from itertools import product

import numpy as np
import oracle
import pytest
from helpers import random_gaussian
from scipy.stats import multivariate_normal

from skpc._circuit.inputs.covariances import VARIANCE_FLOOR, floored
from skpc._circuit.inputs.gaussian import Gaussian
from skpc._data.scope import NOTHING
from skpc._threads import use_threads

pytestmark = pytest.mark.usefixtures("one_thread")

sizes = pytest.mark.parametrize(("n_latents", "m"), [(1, 1), (5, 1), (3, 2), (4, 3), (2, 6)])


def case(n_latents, m, n_rows=40, missing=0.0):
    rng = np.random.default_rng(10 * n_latents + m)
    X = rng.normal(0, 2, (n_rows, m))
    X[rng.random(X.shape) < missing] = np.nan
    return random_gaussian(rng, n_latents, m), X, rng.uniform(0.1, 2.0, (n_rows, n_latents))


def all_patterns(X):
    """X with every way of missing entries, one after another."""
    parts = []
    for hidden in product([False, True], repeat=X.shape[1]):
        part = X.copy()
        part[:, hidden] = np.nan
        parts.append(part)
    return np.concatenate(parts)


# --- density ---------------------------------------------------------------------------


@sizes
def test_log_density_of_complete_rows(n_latents, m):
    gaussian, X, _ = case(n_latents, m)
    for k in range(n_latents):
        expected = multivariate_normal(gaussian.means[k], gaussian.covariances[k]).logpdf(X)
        # A condition number of up to some hundreds.
        np.testing.assert_allclose(gaussian.log_prob(X)[:, k], expected, rtol=1e-11)


@sizes
def test_missing_entries_leave_the_marginal(n_latents, m):
    gaussian, X, _ = case(n_latents, m, n_rows=5)
    X = all_patterns(X)
    expected = [oracle.gaussian_log_prob(gaussian.means, gaussian.covariances, x) for x in X]
    np.testing.assert_allclose(gaussian.log_prob(X), expected, rtol=1e-11)


@sizes
def test_nothing_observed_is_certain(n_latents, m):
    gaussian, _, _ = case(n_latents, m)
    assert not gaussian.log_prob(np.full((3, m), np.nan)).any()


@pytest.mark.parametrize("hidden", [0, 1, 2])
def test_the_marginal_is_the_integral_over_the_missing_entry(hidden):
    gaussian, X, _ = case(3, 3, n_rows=1)
    step = 0.3  # sd >= 1/2: the trapezoidal rule errs by exp(-2 (pi sd / step)^2) < 1e-20
    grid = np.arange(-25.0, 25.0, step)
    rows = np.repeat(X, len(grid), axis=0)
    rows[:, hidden] = grid
    X[0, hidden] = np.nan
    expected = np.log(np.exp(gaussian.log_prob(rows)).sum(axis=0) * step)
    np.testing.assert_allclose(gaussian.log_prob(X)[0], expected, rtol=1e-10)


def test_a_vector_is_a_column():
    gaussian, X, _ = case(4, 1)
    np.testing.assert_array_equal(gaussian.log_prob(X[:, 0]), gaussian.log_prob(X))


@sizes
def test_a_row_has_the_same_bits_alone_and_permuted(n_latents, m):
    gaussian, X, _ = case(n_latents, m, n_rows=600, missing=0.2)
    batch = gaussian.log_prob(X)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(gaussian.log_prob(X[order]), batch[order])
    alone = [gaussian.log_prob(X[i : i + 1])[0] for i in range(15)]
    np.testing.assert_array_equal(alone, batch[:15])


def without_one(gaussian, X):
    """Log densities (n, m, K) of rows without each column, by leaving it out."""
    out = []
    for c in range(X.shape[1]):
        others = X.copy()
        others[:, c] = np.nan
        out.append(gaussian.log_prob(others))
    return np.stack(out, axis=1)


@sizes
def test_densities_without_a_column(n_latents, m):
    gaussian, X, _ = case(n_latents, m, n_rows=8)
    X = all_patterns(X)
    actual = gaussian.log_prob_of_others(X)
    np.testing.assert_allclose(actual, without_one(gaussian, X), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("distance", [1e2, 1e4, 1e6])
def test_densities_without_a_column_far_away(distance):
    """One column far away, whose part in the density of the row hides that of the others."""
    gaussian, X, _ = case(4, 3)
    X[::2, 1] = distance
    actual, expected = gaussian.log_prob_of_others(X), without_one(gaussian, X)
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-9)


@sizes
def test_densities_without_a_column_have_the_same_bits_alone_and_on_two_threads(n_latents, m):
    gaussian, X, _ = case(n_latents, m, n_rows=600, missing=0.2)
    batch = gaussian.log_prob_of_others(X)
    alone = [gaussian.log_prob_of_others(X[i : i + 1])[0] for i in range(15)]
    np.testing.assert_array_equal(alone, batch[:15])
    with use_threads(2):
        np.testing.assert_array_equal(gaussian.log_prob_of_others(X), batch)


@sizes
def test_threads_do_not_change_bits(n_latents, m):
    gaussian, X, counts = case(n_latents, m, n_rows=1500, missing=0.1)
    results = []
    for n_threads in 1, 2:
        with use_threads(n_threads):
            results.append((gaussian.log_prob(X), gaussian.summarize(X, counts)))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


# --- expected moments ------------------------------------------------------------------


@sizes
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_moments_are_conditional_expectations(n_latents, m, missing):
    gaussian, X, counts = case(n_latents, m, missing=missing)
    expected = oracle.gaussian_moments(gaussian.means, gaussian.covariances, X, counts)
    # Sums of terms of both signs: the absolute error is that of the largest.
    np.testing.assert_allclose(gaussian.summarize(X, counts), expected, rtol=1e-11, atol=1e-11)


def test_moments_of_every_missingness():
    gaussian, X, _ = case(3, 3, n_rows=4)
    X = all_patterns(X)
    counts = np.random.default_rng(0).uniform(0.1, 2.0, (len(X), 3))
    expected = oracle.gaussian_moments(gaussian.means, gaussian.covariances, X, counts)
    np.testing.assert_allclose(gaussian.summarize(X, counts), expected, rtol=1e-11, atol=1e-11)


def test_moments_agree_with_draws_of_what_is_missing():
    """The first two moments of 200,000 draws of the hidden entries given the shown one."""
    gaussian, _, _ = case(1, 3)
    rng = np.random.default_rng(1)
    mean, covariance = gaussian.means[0], gaussian.covariances[0]
    draws = rng.multivariate_normal(mean, covariance, 200_000)
    # Move each draw's first entry to x: what is left of the others does not depend on it.
    x = mean[0] + 1.3
    slope = covariance[:, 0] / covariance[0, 0]
    draws += (x - draws[:, :1]) * slope - mean
    actual = gaussian.summarize(np.array([[x, np.nan, np.nan]]), np.ones((1, 1)))[0]
    np.testing.assert_allclose(actual[1:4], draws.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(actual[4:].reshape(3, 3), draws.T @ draws / len(draws), atol=0.05)


@sizes
def test_moments_add_over_rows(n_latents, m):
    gaussian, X, counts = case(n_latents, m, missing=0.3)
    parts = [gaussian.summarize(X[s], counts[s]) for s in (slice(0, 13), slice(13, None))]
    np.testing.assert_allclose(sum(parts), gaussian.summarize(X, counts), rtol=1e-12, atol=1e-12)


def test_incomplete_rows_in_blocks(monkeypatch):
    gaussian, X, counts = case(4, 3, n_rows=200, missing=0.4)
    whole = gaussian.summarize(X, counts)
    monkeypatch.setattr("skpc._circuit.inputs.covariances._BLOCK_CELLS", 4 * 9 * 7)
    np.testing.assert_allclose(gaussian.summarize(X, counts), whole, rtol=1e-12, atol=1e-12)


# --- M-step ----------------------------------------------------------------------------


def weighted(X, counts):
    """Weighted mean and covariance of each state."""
    means = [np.average(X, axis=0, weights=c) for c in counts.T]
    covariances = [np.atleast_2d(np.cov(X.T, aweights=c, ddof=0)) for c in counts.T]
    return np.array(means), np.array(covariances)


@sizes
def test_update_is_maximum_likelihood(n_latents, m):
    gaussian, X, counts = case(n_latents, m)
    new = gaussian.updated(gaussian.summarize(X, counts))
    means, covariances = weighted(X, counts)
    np.testing.assert_allclose(new.means, means, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(new.covariances, covariances, rtol=1e-11, atol=1e-12)


@sizes
def test_shrinkage_averages_with_the_covariance_within_all_states(n_latents, m):
    gaussian, X, counts = case(n_latents, m)
    scales = np.linspace(0.5, 2.0, m)
    gaussian = replace(gaussian, shrinkage=7.0, scales=scales)
    new = gaussian.updated(gaussian.summarize(X, counts))
    _, covariances = weighted(X, counts)
    totals = counts.sum(axis=0)[:, None, None]
    scatter = totals * covariances
    pooled = (scatter.sum(axis=0) + 0.1 * np.diag(scales**2)) / (counts.sum() + 0.1)
    expected = (scatter + 7.0 * pooled) / (totals + 7.0)
    np.testing.assert_allclose(new.covariances, expected, rtol=1e-11, atol=1e-12)


def test_shrinkage_does_not_move_means():
    gaussian, X, counts = case(4, 3)
    summary = gaussian.summarize(X, counts)
    shrunk = replace(gaussian, shrinkage=7.0).updated(summary)
    np.testing.assert_array_equal(shrunk.means, gaussian.updated(summary).means)


def test_an_update_with_missing_entries_raises_the_likelihood():
    gaussian, X, _ = case(1, 3, n_rows=60, missing=0.4)
    weights = np.random.default_rng(0).uniform(0.1, 2.0, (60, 1))
    history = []
    for _ in range(40):
        history.append((weights * gaussian.log_prob(X)).sum())
        gaussian = gaussian.updated(gaussian.summarize(X, weights))
    assert np.diff(history).min() > -1e-10
    assert history[-1] > history[0] + 1.0


def test_an_update_about_other_means_is_the_same():
    gaussian, X, counts = case(3, 2)
    moved = replace(gaussian, means=gaussian.means + 5.0)
    one, two = (g.updated(g.summarize(X, counts)) for g in (gaussian, moved))
    np.testing.assert_allclose(one.means, two.means, rtol=1e-11, atol=1e-12)
    # The shift of 5 is squared and subtracted: one digit and a half.
    np.testing.assert_allclose(one.covariances, two.covariances, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("shrinkage", [0.0, 10.0])
def test_a_state_without_flow_keeps_its_parameters(shrinkage):
    gaussian, X, counts = case(4, 3)
    gaussian = replace(gaussian, shrinkage=shrinkage)
    counts[:, 2] = 0.0
    new = gaussian.updated(gaussian.summarize(X, counts))
    np.testing.assert_array_equal(new.means[2], gaussian.means[2])
    np.testing.assert_array_equal(new.covariances[2], gaussian.covariances[2])
    assert not np.allclose(new.means[1], gaussian.means[1], rtol=0.01)


def start(X, n_latents=2, shrinkage=0.0, seed=0):
    weights = np.ones(len(X))
    return Gaussian.random(
        NOTHING, X, weights, n_latents, np.random.RandomState(seed), shrinkage=shrinkage
    )


def test_a_constant_state_has_a_floor_relative_to_the_columns_scale():
    scale = 1e-4
    X = scale * np.concatenate([np.full(50, -1.0), np.full(50, 1.0)])[:, None]
    gaussian = start(X)
    np.testing.assert_allclose(gaussian.scales, scale, rtol=1e-12)
    counts = np.stack([X[:, 0] < 0, X[:, 0] > 0], axis=1).astype(float)
    new = gaussian.updated(gaussian.summarize(X, counts))
    np.testing.assert_allclose(new.covariances[:, 0, 0], VARIANCE_FLOOR * scale**2, rtol=1e-9)
    np.testing.assert_allclose(np.sort(new.means[:, 0]), [-scale, scale], rtol=1e-12)


def test_a_constant_column_stays_finite():
    X = np.full((20, 1), 3.5)
    gaussian = start(X)
    new = gaussian.updated(gaussian.summarize(X, np.ones((20, 2))))
    assert (new.covariances > 0).all()
    np.testing.assert_allclose(new.means, 3.5, rtol=1e-15)
    scores = new.log_prob(np.array([[3.5], [3.6]]))
    assert np.isfinite(scores).all()
    assert (scores[0] > scores[1]).all()


def test_copies_of_a_column_keep_every_direction_above_the_floor():
    x = np.random.default_rng(0).normal(size=100) * 5
    X = np.stack([x, x, 1e-3 * x], axis=1)
    gaussian = start(X)
    new = gaussian.updated(gaussian.summarize(X, np.ones((100, 2))))
    standardised = new.covariances / np.outer(gaussian.scales, gaussian.scales)
    values = np.linalg.eigvalsh(standardised)
    # Eigenvalues carry the rounding of the largest, 3.
    np.testing.assert_allclose(values, [[VARIANCE_FLOOR, VARIANCE_FLOOR, 3.0]] * 2, rtol=1e-8)


def test_the_floor_leaves_other_directions_alone():
    gaussian, X, counts = case(3, 3)
    _, covariances = weighted(X, counts)
    covariances[:, 0] *= 1e-5
    covariances[:, :, 0] *= 1e-5
    variances, directions = np.linalg.eigh(covariances)
    assert (variances[:, 0] < VARIANCE_FLOOR).all()
    variances[:, 0] = VARIANCE_FLOOR
    expected = (directions * variances[:, None]) @ directions.transpose(0, 2, 1)
    new = gaussian.updated(
        np.concatenate([np.ones((3, 1)), np.zeros((3, 3)), covariances.reshape(3, 9)], axis=1)
    )
    np.testing.assert_allclose(new.covariances, expected, rtol=1e-10, atol=1e-14)


# --- offsets ---------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 3])
def test_large_offsets_do_not_cancel(m):
    rng = np.random.default_rng(0)
    offset = 1e8
    X = np.round(rng.normal(size=(500, m)) * 2**20) / 2**20  # exact beside 1e8
    counts = rng.uniform(0.1, 2.0, (500, 2))
    gaussian = Gaussian(
        np.full((2, m), 0.5), np.repeat(np.eye(m)[None], 2, axis=0), np.ones(m), 0.0
    )
    far = replace(gaussian, means=gaussian.means + offset)
    summary = gaussian.summarize(X, counts)
    moved = X + offset
    np.testing.assert_allclose(far.log_prob(moved), gaussian.log_prob(moved - offset), rtol=1e-12)
    np.testing.assert_allclose(far.summarize(moved, counts), summary, rtol=1e-12)
    new, expected = far.updated(far.summarize(moved, counts)), gaussian.updated(summary)
    # The mean itself is stored to 1e-8.
    np.testing.assert_allclose(new.means - offset, expected.means, rtol=0, atol=2e-8)
    np.testing.assert_allclose(new.covariances, expected.covariances, rtol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e8])
def test_scales_are_standard_deviations(offset):
    X = np.random.default_rng(0).normal(size=(200, 2)) * [1.0, 30.0] + offset
    # 1e8 is stored to 1e-8.
    np.testing.assert_allclose(start(X).scales, X.std(axis=0), rtol=1e-6)


# --- start and draws -------------------------------------------------------------------


def test_a_start_sits_on_rows():
    X = np.sort(np.random.default_rng(0).normal(size=(50, 1)), axis=0)
    means = start(X, 6).means[:, 0]
    assert len(set(means)) == 6
    # Means are stored as the centre plus a difference.
    assert np.abs(means[:, None] - X[:, 0]).min(axis=1).max() < 1e-12


def test_a_start_never_takes_rows_without_weight_apart():
    X = np.array([[0.0], [1.0], [50.0]])
    weights = np.array([1.0, 1.0, 0.0])
    means = Gaussian.random(NOTHING, X, weights, 2, np.random.RandomState(0)).means
    np.testing.assert_allclose(np.sort(means[:, 0]), [0.0, 1.0], atol=1e-15)


def test_starts_follow_the_seed():
    X = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_array_equal(start(X, 3, seed=1).means, start(X, 3, seed=1).means)
    assert not np.array_equal(start(X, 3, seed=1).means, start(X, 3, seed=2).means)


def test_more_states_than_rows():
    X = np.array([[1.0], [2.0]])
    means = start(X, 5).means[:, 0]
    assert set(means) == {1.0, 2.0}


def test_n_parameters():
    assert case(4, 3)[0].n_parameters == 4 * (3 + 6)
    assert case(5, 1)[0].n_parameters == 5 * 2


def test_draws_have_the_moments_of_their_state():
    gaussian, _, _ = case(3, 2)
    states = np.repeat(np.arange(3), 40_000)
    draws = gaussian.sample(states, np.random.RandomState(0))
    for k in range(3):
        own = draws[states == k]
        # Standard errors are sd / 200, and of variances var / 140.
        np.testing.assert_allclose(own.mean(axis=0), gaussian.means[k], atol=0.05)
        np.testing.assert_allclose(np.cov(own.T), gaussian.covariances[k], rtol=0.05, atol=0.05)


def test_draws_follow_the_seed():
    gaussian, _, _ = case(3, 2)
    states = np.array([0, 1, 2, 0])
    one, two, other = (gaussian.sample(states, np.random.RandomState(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_gradient_is_that_of_the_weighted_log_density(missing):
    rng = np.random.default_rng(5)
    gaussian = replace(random_gaussian(rng, 2, 3), scales=np.array([0.5, 1.0, 3.0]))
    values = rng.normal(size=(12, 3))
    values[rng.random(values.shape) < missing] = np.nan
    counts = rng.normal(size=(12, 2))  # of either sign
    gradient = gaussian.free_gradient(gaussian.summarize(values, counts))
    parameters = gaussian.free_parameters()

    def objective(i, index, step):
        changed = [parameter.copy() for parameter in parameters]
        changed[i][index] += step
        return float((counts * gaussian.with_free_parameters(changed).log_prob(values)).sum())

    for i, part in enumerate(gradient):
        for index, actual in np.ndenumerate(part):
            expected = (objective(i, index, 1e-6) - objective(i, index, -1e-6)) / 2e-6
            assert actual == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_free_parameters_say_the_same():
    gaussian = random_gaussian(np.random.default_rng(6), 3, 2)
    again = gaussian.with_free_parameters(gaussian.free_parameters())
    np.testing.assert_allclose(again.means, gaussian.means, rtol=1e-12)
    np.testing.assert_allclose(again.covariances, gaussian.covariances, rtol=1e-12)


# --- scale -------------------------------------------------------------------------------


def in_units(gaussian, exponents):
    """The Gaussian of the columns times powers of two: the same numbers in other units."""
    return replace(gaussian, units=np.ldexp(1.0, exponents))


def test_units_are_those_of_the_columns():
    gaussian, X, counts = case(3, 3, missing=0.2)
    exponents = np.array([-900, 3, 490])
    other, scaled = in_units(gaussian, exponents), np.ldexp(X, exponents)
    seen = ~np.isnan(X)
    jacobian = np.where(seen, exponents, 0).sum(axis=1) * np.log(2.0)
    # Log densities and Jacobians of up to 1e3 are rounded.
    np.testing.assert_allclose(
        other.log_prob(scaled) + jacobian[:, None], gaussian.log_prob(X), atol=1e-11
    )
    of_others = jacobian[:, None] - np.where(seen, exponents, 0) * np.log(2.0)
    np.testing.assert_allclose(
        other.log_prob_of_others(scaled) + of_others[:, :, None],
        gaussian.log_prob_of_others(X),
        atol=1e-11,
    )
    assert np.array_equal(other.summarize(scaled, counts), gaussian.summarize(X, counts))
    assert np.array_equal(
        other.completed(scaled), np.ldexp(gaussian.completed(X), exponents), equal_nan=True
    )
    states, normals = np.arange(len(X)) % 3, np.ones(X.shape)
    assert np.array_equal(
        other.sample_given(scaled, states, normals, normals),
        np.ldexp(gaussian.sample_given(X, states, normals, normals), exponents),
    )
    X[:, 1] = scaled[:, 1] = np.nan
    means, variances = other.conditional(scaled, 1)
    expected_means, expected_variances = gaussian.conditional(X, 1)
    assert np.array_equal(means, np.ldexp(expected_means, 3))
    assert np.array_equal(variances, np.ldexp(expected_variances, 6))
    marginal = other.marginal(np.array([2, 0]))
    assert np.array_equal(marginal.units, other.units[[2, 0]])


@pytest.mark.parametrize("scale", [5e-324, 1e-200, 1e-31, 1.0, 1e31, 1e150])
def test_a_start_and_its_scales_are_finite_at_any_scale(scale):
    X = np.random.default_rng(0).normal(size=(30, 2)) * scale
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        gaussian = Gaussian.random(
            NOTHING, X, np.ones(30), 3, np.random.RandomState(0), shrinkage=10.0
        )
        assert np.isfinite(gaussian.log_prob(X)).all()
    assert ((gaussian.scales >= 2.0**-100) & (gaussian.scales <= 2.0**100)).all()
    assert (np.diagonal(gaussian.covariances, axis1=1, axis2=2) > 0).all()


def test_other_scales_in_other_units_leave_the_distribution():
    gaussian, X, _ = case(3, 2)
    other = in_units(gaussian, np.array([-600, 200]))
    moved = other.with_scales(np.ldexp([1.5, 3.0], [-580, 190]))
    assert np.array_equal(moved.units * moved.scales, np.ldexp([1.5, 3.0], [-580, 190]))
    scaled = np.ldexp(X, [-600, 200])
    # Logarithms of determinants and units, of up to 1e3, are rounded.
    np.testing.assert_allclose(moved.log_prob(scaled), other.log_prob(scaled), atol=1e-11)


def test_scales_too_different_for_numbers_start_anew():
    gaussian, _, _ = case(3, 2)
    with np.errstate(all="raise"):
        moved = in_units(gaussian, np.array([400, 0])).with_scales(np.array([1e-300, 1.0]))
    assert np.isfinite(moved.means).all()
    assert np.array_equal(moved.covariances, np.repeat(np.diag(moved.scales**2)[None], 3, axis=0))


@pytest.mark.parametrize("far", [1e9, 1e100, 1e160, 1e300])
def test_densities_of_opposite_far_values_are_no_difference_of_infinities(far):
    gaussian, _, _ = case(4, 3)
    gaussian = replace(
        gaussian, covariances=1e-40 * gaussian.covariances, scales=1e-20 * gaussian.scales
    )
    X = np.array([[far, -far, far], [-far, -far, np.nan], [0.0, far, 0.0]])
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(gaussian.log_prob(X)).all()
        assert np.isfinite(gaussian.log_prob_of_others(X)).all()


def test_variances_beside_that_of_an_outlier_are_floored_to_what_rounding_leaves():
    gaussian, _, _ = case(1, 2)
    gaussian = replace(gaussian, scales=np.ones(2))
    covariances = np.array([[[1e13, -1e13], [-1e13, 1e13]]])
    assert np.isfinite(np.linalg.cholesky(floored(covariances, gaussian.scales))).all()


# --- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("means", np.zeros((2, 2))),
        ("means", np.zeros(3)),
        ("covariances", np.ones((2, 3))),
        ("scales", np.ones(2)),
    ],
)
def test_shapes_that_do_not_go_together_are_refused(name, value):
    with pytest.raises(ValueError, match="of a Gaussian must be arrays of shapes"):
        replace(random_gaussian(np.random.default_rng(0), 2, 3), **{name: value})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("means", lambda v: v * np.nan, "means of a Gaussian must be finite"),
        ("means", lambda v: v * 1e300, "must not be beyond"),
        (
            "means",
            lambda v: v.astype(np.float32),
            "means of a Gaussian must be an array of float64",
        ),
        ("covariances", lambda v: -v, "positive diagonal"),
        ("covariances", lambda v: v * np.array([1.0, 2.0, 1.0]), "symmetric"),
        ("covariances", lambda v: np.ones_like(v), "positive definite"),
        ("scales", lambda v: v * 0, "scales of a Gaussian must be positive"),
        ("shrinkage", lambda v: -1.0, "shrinkage at least 0"),
        ("shrinkage", lambda v: np.inf, "shrinkage of a Gaussian must be finite"),
    ],
)
def test_a_stored_gaussian_is_checked(name, change, message):
    good = random_gaussian(np.random.default_rng(0), 2, 3)
    assert np.array_equal(pickle.loads(pickle.dumps(good)).covariances, good.covariances)
    bad = replace(good, **{name: change(getattr(good, name))})
    with pytest.raises(ValueError, match=f"'gaussian' cannot be read: .*{message}"):
        pickle.loads(pickle.dumps(bad))
