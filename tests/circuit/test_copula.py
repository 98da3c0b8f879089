"""Groups of numeric columns, against the normal distribution of scores and its Jacobian."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_gaussian
from scipy.stats import multivariate_normal
from test_cells import margin_of

from skpc import SharpPCDensity, SharpPCImputer
from skpc._circuit.circuit import from_dict, to_dict
from skpc._circuit.files import load, save
from skpc._circuit.inputs.copula import Copula
from skpc._circuit.inputs.covariances import widened
from skpc._circuit.inputs.normal_scale import updated, updated_group
from skpc._passes.likelihood import log_likelihood

K, M = 3, 3


def table(n=300, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 1)) + 0.6 * rng.standard_normal((n, M))
    X = np.stack([z[:, 0], np.exp(2.0 * z[:, 1]), np.round(100.0 * z[:, 2])], axis=1)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def random_copula(X, seed=0):
    rng = np.random.default_rng(seed)
    gaussian = random_gaussian(rng, K, X.shape[1])
    scale = np.sqrt(np.diagonal(gaussian.covariances, axis1=1, axis2=2)).max()
    margins = tuple(margin_of(column) for column in X.T)
    return Copula(gaussian.means / scale, gaussian.covariances / scale**2, 10.0, margins)


def test_the_density_is_normal_on_the_scale_of_the_margins():
    X = table()
    one = random_copula(X)
    pairs = [margin.points(x) for margin, x in zip(one.margins, X.T, strict=True)]
    scores = np.stack([score for score, _ in pairs], axis=1)
    gain = sum(log_scale for _, log_scale in pairs)
    for k in range(K):
        normal = multivariate_normal(one.means[k], one.covariances[k])
        expected = normal.logpdf(scores) + gain
        np.testing.assert_allclose(one.log_prob(X)[:, k], expected, rtol=1e-9)


def test_the_density_integrates_to_one():
    X = np.stack([table()[:, 0], table(seed=1)[:, 0]], axis=1)
    one = random_copula(X)
    one = replace(one, means=0.5 * one.means, covariances=one.covariances + 0.1 * np.eye(2))
    nodes = np.linspace(-7.0, 7.0, 701)
    # Draws stay in a range, the density does not.
    wide = [replace(margin, low=-1e30, high=1e30) for margin in one.margins]
    first, second = (margin.inverse(nodes) for margin in wide)
    grid = np.stack([part.ravel() for part in np.meshgrid(first, second, indexing="ij")], axis=1)
    density = np.exp(one.log_prob(grid)).reshape(len(first), len(second), K)
    total = np.trapezoid(np.trapezoid(density, second, axis=1), first, axis=0)
    np.testing.assert_allclose(total, 1.0, rtol=2e-3)


def test_missing_values_are_summed_out():
    X = table(missing=0.4)
    one = random_copula(X)
    found = one.log_prob(X)
    for i in range(40):
        seen = np.flatnonzero(~np.isnan(X[i]))
        expected = np.zeros(K)
        if len(seen):
            expected = one.marginal(seen).log_prob(X[i : i + 1, seen])[0]
        np.testing.assert_allclose(found[i], expected, rtol=1e-9, atol=1e-12)
    others = one.log_prob_of_others(X)
    for c in range(M):
        without = X.copy()
        without[:, c] = np.nan
        np.testing.assert_allclose(others[:, c], one.log_prob(without), rtol=1e-7, atol=1e-8)


def test_moments_and_completions_are_those_of_draws():
    X = table()
    one = random_copula(X)
    row = np.array([[X[0, 0], np.nan, np.nan]])
    for k in range(K):
        rng = np.random.RandomState(k)
        states = np.full(20_000, k)
        given = np.repeat(row, len(states), axis=0)
        drawn = one.sample_given(given, states, given, rng.standard_normal(given.shape))
        assert (drawn[:, 0] == X[0, 0]).all()
        for entry in 1, 2:
            means, variances = one.conditional(row, entry)
            error = np.sqrt(drawn[:, entry].var() / len(states))
            assert abs(drawn[:, entry].mean() - means[0, k]) < 5 * error
            assert variances[0, k] == pytest.approx(drawn[:, entry].var(), rel=0.3)
            assert one.completed(row)[0, k, entry] == pytest.approx(means[0, k])
    likeliest = one.likeliest(row, np.array([0]))
    assert likeliest[0, 2] == np.rint(likeliest[0, 2])
    np.testing.assert_allclose(one.log_peak(row)[0, 0], one.log_prob(likeliest)[0, 0])
    np.testing.assert_array_equal(one.log_peak(X), one.log_prob(X))


@pytest.mark.parametrize("noise", [0, 1, 3])
@pytest.mark.parametrize("parameters", [{}, {"solver": "adam", "max_iter": 20}], ids=str)
def test_masses_of_integers_that_are_nearly_the_same_sum_to_one(noise, parameters):
    rng = np.random.RandomState(0)
    x = np.round(rng.normal(50.0, 9.0, 400))
    X = np.stack([x, x + rng.randint(-noise, noise + 1, 400)], axis=1)
    model = SharpPCDensity(
        feature_types="numeric", n_latents=2, feature_groups=[[0, 1]], random_state=0, **parameters
    ).fit(X)
    every = np.stack([part.ravel() for part in np.mgrid[-60:160, -60:160]], axis=1)
    assert abs(np.exp(model.score_samples(every)).sum() - 1.0) < 0.01
    assert model.log_conditional([[np.nan, 50.0]], [[50.0, np.nan]])[0] < 0.0


@pytest.mark.parametrize("seed", range(3))
def test_no_direction_is_narrower_than_what_is_asked(seed):
    rng = np.random.default_rng(seed)
    covariances = random_gaussian(rng, K, M).covariances
    scale = np.sqrt(np.linalg.eigvalsh(covariances).mean())
    deviations = scale * np.array([1.0, 0.0, 0.7])
    found = widened(covariances, deviations)
    least = np.diag(deviations**2)
    assert np.linalg.eigvalsh(found - least).min() > -1e-9 * scale**2
    np.testing.assert_array_equal(widened(covariances, 1e-3 * deviations), covariances)

    def log_likelihood(sigma, k):  # of rows with the moments of state k
        return -np.linalg.slogdet(sigma)[1] - np.trace(np.linalg.solve(sigma, covariances[k]))

    for k in range(K):
        for _ in range(200):  # all that the constraint allows
            root = rng.normal(size=(M, M)) * scale * rng.uniform(0.0, 0.3)
            other = rng.uniform(0.0, 1.0) * (found[k] - least) + least + root @ root.T
            other += 1e-9 * scale**2 * np.eye(M)
            assert log_likelihood(other, k) <= log_likelihood(found[k], k) + 1e-9


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_free_gradient_is_a_finite_difference(missing):
    X = table(100, missing=missing)
    one = random_copula(X)
    counts = np.random.default_rng(1).normal(size=(len(X), K))
    found = one.free_gradient(one.summarize(X, counts))
    start = one.free_parameters()
    for i, part in enumerate(found):
        for place in np.ndindex(part.shape):
            if i == 1 and place[2] > place[1]:
                continue
            values = []
            for step in 1e-5, -1e-5:
                moved = [array.copy() for array in start]
                moved[i][place] += step
                values.append((counts * one.with_free_parameters(moved).log_prob(X)).sum())
            slope = (values[0] - values[1]) / 2e-5
            assert part[place] == pytest.approx(slope, rel=1e-4, abs=1e-3)


def test_one_column_has_the_prior_of_one_column(monkeypatch):
    """But for the rows of its variance, which a group of one has fewer of."""
    monkeypatch.setattr("skpc._circuit.inputs.normal_scale.GROUP_ROWS", 1.0)
    rng = np.random.default_rng(0)
    z, counts = rng.normal(size=50), rng.uniform(0.0, 2.0, (50, K))
    start = rng.normal(size=K)
    raw = np.stack([counts.sum(axis=0), z @ counts, z**2 @ counts], axis=1)
    centred = z[:, None] - start
    about = np.stack(
        [counts.sum(axis=0), (counts * centred).sum(axis=0), (counts * centred**2).sum(axis=0)],
        axis=1,
    )
    means, deviations = updated(raw, start, np.ones(K), np.array(4.0))
    group, covariances = updated_group(about, start[:, None], np.ones((K, 1, 1)), 4.0)
    np.testing.assert_allclose(group[:, 0], means, rtol=1e-10)
    np.testing.assert_allclose(covariances[:, 0, 0], deviations**2, rtol=1e-10)


def test_much_shrinkage_leaves_the_margins_and_their_correlation():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((2000, 1)) * 0.8 + 0.6 * rng.standard_normal((2000, 2))
    counts = rng.dirichlet(np.ones(K), 2000)
    one = Copula(np.zeros((K, 2)), np.repeat(np.eye(2)[None], K, axis=0), 0.0, ())
    summary = one._gaussian.summarize(z, counts)
    means, covariances = updated_group(summary, one.means, one.covariances, 1e9)
    np.testing.assert_allclose(means, 0.0, atol=1e-3)
    expected = z.T @ z / len(z)
    np.testing.assert_allclose(covariances, np.repeat(expected[None], K, axis=0), rtol=5e-3)


def test_stacks_are_the_single_ones():
    X = table()
    ones = [random_copula(X, seed) for seed in (0, 1)]
    stack = Copula.stacked(ones)
    again = stack.with_free_parameters(stack.free_parameters()).unstacked(ones)
    for old, new in zip(ones, again, strict=True):
        np.testing.assert_allclose(new.means, old.means, rtol=1e-12)
        np.testing.assert_allclose(new.covariances, old.covariances, rtol=1e-9)
        assert new.margins is old.margins


def fitted(X, **parameters):
    parameters = {"n_latents": 2, "max_iter": 10, "random_state": 0, **parameters}
    return SharpPCDensity(feature_types="numeric", **parameters).fit(X)


def test_correlated_columns_become_a_copula():
    X = table(400, missing=0.1)
    model = fitted(X)
    assert model.circuit_.inputs.kinds == ("copula",)
    assert model.circuit_.inputs[0].kinds == ("numeric",) * 3
    assert model.score(X) > fitted(X, feature_groups=None).score(X)
    drawn = model.sample(200, random_state=0)
    assert (drawn[:, 2] == np.rint(drawn[:, 2])).all()
    assert (drawn[:, 1] > 0).mean() > 0.97


@pytest.mark.parametrize("strategy", ["median_mode", "mean_mode", "sample", "max_product"])
def test_imputation_fills_groups(strategy):
    X = table(200, missing=0.2)
    density = SharpPCDensity(n_latents=2, max_iter=5, feature_types="numeric", random_state=0)
    filled = SharpPCImputer(density, strategy=strategy, random_state=0).fit_transform(X)
    assert not np.isnan(filled).any()
    holes = np.isnan(X)
    assert np.array_equal(filled[~holes], X[~holes])


@pytest.mark.parametrize("parameters", [{"solver": "adam"}, {"batch_size": 80}])
def test_groups_are_learnt_in_other_ways(parameters):
    X = table(200, missing=0.2)
    assert fitted(X, **parameters).score(X) > fitted(X, max_iter=1).score(X) - 0.5


@pytest.mark.parametrize("suffix", ["npz", "json"])
def test_files_keep_every_bit(tmp_path, suffix):
    X = table(200, missing=0.1)
    circuit = fitted(X).circuit_
    save(circuit, tmp_path / f"circuit.{suffix}")
    for again in load(tmp_path / f"circuit.{suffix}"), from_dict(to_dict(circuit)):
        assert np.array_equal(log_likelihood(again, X), log_likelihood(circuit, X))
    arrays = circuit.inputs[0].to_arrays()
    with pytest.raises(ValueError, match=r"it has no margin\.knots"):
        Copula.from_arrays({k: v for k, v in arrays.items() if k != "margin.knots"})


def test_a_group_with_other_kinds_is_a_composite_and_its_numbers_keep_their_margins():
    X = table(200, missing=0.1)
    X = np.column_stack([X, (X[:, 0] > 0).astype(float)])
    model = SharpPCDensity(
        n_latents=2, max_iter=10, feature_groups=[[0, 1, 3]], random_state=0,
        feature_types=["numeric", "numeric", "numeric", "categorical"],
    ).fit(X)  # fmt: skip
    kinds = {one.kind: one for one in model.circuit_.inputs}
    assert {*kinds} == {"composite", "numeric"}
    one = kinds["composite"]
    assert one.kinds == ("numeric", "numeric", "categorical")
    vectors = X[:20][:, [0, 1, 3]]
    prepared = one.prepared(vectors)
    np.testing.assert_array_equal(one.log_prob_prepared(prepared), one.log_prob(vectors))
    counts = np.random.default_rng(0).uniform(size=(20, 2))
    np.testing.assert_array_equal(
        one.summarize_prepared(prepared, counts), one.summarize(vectors, counts)
    )
    again = from_dict(to_dict(model.circuit_))
    assert np.array_equal(log_likelihood(again, X), log_likelihood(model.circuit_, X))
