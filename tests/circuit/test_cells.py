"""Numeric columns seen through their margins, against quadrature, sums and scipy."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from helpers import chain, gather, positive
from scipy.stats import kstest, norm, truncnorm

from skpc import SharpPCDensity
from skpc._circuit.circuit import Circuit, from_dict, to_dict
from skpc._circuit.files import load, save
from skpc._circuit.inputs.cells import Numeric
from skpc._circuit.inputs.inputs import Inputs
from skpc._circuit.inputs.normal_scale import updated
from skpc._data.rows import Rows
from skpc._data.scope import Scope
from skpc._learning.cluster_start import clustered_circuit
from skpc._learning.em import EStep, fit_em
from skpc._learning.mstep import MStep
from skpc._learning.progress import Progress
from skpc._passes.likelihood import log_likelihood
from skpc._queries.contributions import contributions
from skpc._queries.imputation import complete
from skpc._queries.marginals import conditional_moments
from skpc._queries.sampling import sample, sample_given
from skpc._tables.margins import learn_margin
from skpc._threads import use_threads

K = 3


def margin_of(column):
    distinct, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return learn_margin(distinct, counts.astype(float))


def columns(n=300, seed=0, missing=0.0):
    """Smooth, on a lattice, with an atom at zero, and heavy-tailed, of which a group tells."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    X = np.stack(
        [
            rng.normal(2.0 * group, 1.0),
            np.rint(rng.normal(5.0 + 3.0 * group, 2.0)),
            np.where(rng.random(n) < 0.4, 0.0, rng.exponential(1.0 + group)),
            np.exp(2.0 * rng.normal(group, 1.0)),
        ],
        axis=1,
    )
    X[rng.random(X.shape) < missing] = np.nan
    return X


def scopes_of(X):
    return [Scope(np.array([j]), "numeric", None, margin=margin_of(x)) for j, x in enumerate(X.T)]


def rows_of(X, weights=None):
    weights = np.ones(len(X)) if weights is None else weights
    return Rows.encode(X, scopes_of(X), weights).distinct()


def random_numeric(rng, margin, n_latents=K):
    return Numeric(rng.normal(size=n_latents), rng.uniform(0.1, 1.5, n_latents), 10.0, margin)


def numeric_circuit(X, seed=0, n_latents=K):
    rng = np.random.default_rng(seed)
    parents = chain(X.shape[1])
    ones = [random_numeric(rng, margin_of(column), n_latents) for column in X.T]
    inputs = Inputs.of([np.array([j]) for j in range(X.shape[1])], ones, n_latents)
    sum_weights = positive(rng, len(parents), n_latents, n_latents)
    sum_weights[parents < 0] = np.eye(n_latents)
    return Circuit(parents, inputs.features, positive(rng, n_latents), sum_weights, inputs)


def test_likelihoods_are_masses_of_cells_and_densities_of_points():
    X = columns()
    for j in range(4):
        margin = margin_of(X[:, j])
        one = random_numeric(np.random.default_rng(j), margin)
        values = np.unique(X[:, j])
        cells = margin.cells(values)
        lower, upper = cells.lower[:, None], cells.upper[:, None]
        mass = norm.cdf(upper, one.means, one.deviations) - norm.cdf(
            lower, one.means, one.deviations
        )
        density = norm.pdf(lower, one.means, one.deviations) * np.exp(cells.log_scale)[:, None]
        expected = np.where(lower < upper, mass, density)
        found = np.exp(one.log_prob(values[:, None]))
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-13)


def test_the_density_of_a_smooth_column_integrates_to_one():
    margin = margin_of(columns()[:, 0])
    one = random_numeric(np.random.default_rng(0), margin)
    # Draws stay in a range, the density does not.
    x = replace(margin, low=-1e30, high=1e30).inverse(np.linspace(-15.0, 15.0, 240_001))
    density = np.exp(one.log_prob(x[:, None]))
    np.testing.assert_allclose(np.trapezoid(density, x, axis=0), 1.0, rtol=1e-5)


def test_masses_of_all_levels_of_a_circuit_sum_to_one():
    X = columns()[:, [1, 0]]
    circuit = numeric_circuit(X)
    levels = np.arange(-1000.0, 1001.0)
    rows = np.stack([levels, np.full(len(levels), np.nan)], axis=1)
    assert np.exp(log_likelihood(circuit, rows)).sum() == pytest.approx(1.0, abs=1e-4)  # and tails
    given = np.stack([levels, np.full(len(levels), X[0, 1])], axis=1)
    joint = np.exp(log_likelihood(circuit, given)).sum()
    alone = np.exp(log_likelihood(circuit, np.array([[np.nan, X[0, 1]]])))[0]
    assert joint == pytest.approx(alone, rel=1e-4)


def test_nothing_seen_has_the_likelihood_one_and_no_statistics():
    one = random_numeric(np.random.default_rng(0), margin_of(columns()[:, 1]))
    assert (one.log_prob(np.array([[np.nan]])) == 0.0).all()
    assert (one.summarize(np.array([[np.nan]]), np.ones((1, K))) == 0.0).all()


def test_one_standard_state_is_the_margin():
    for column in columns().T:
        margin = margin_of(column)
        one = Numeric(np.zeros(1), np.ones(1), 10.0, margin)
        values = np.unique(column)
        cells = margin.cells(values)
        is_cell = cells.lower < cells.upper
        expected = np.where(
            is_cell,
            np.log(np.where(is_cell, norm.cdf(cells.upper) - norm.cdf(cells.lower), 1.0)),
            norm.logpdf(cells.lower) + cells.log_scale,
        )
        np.testing.assert_allclose(one.log_prob(values[:, None])[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("column", range(4))
def test_statistics_are_moments_of_truncated_normals(column):
    x = np.unique(columns()[:, column])
    margin = margin_of(x)
    one = random_numeric(np.random.default_rng(column), margin)
    counts = np.random.default_rng(1).uniform(0.0, 2.0, (len(x), K))
    expected = np.zeros((K, 3))
    for lower, upper, count in zip(*margin.cells(x)[:2], counts, strict=True):
        for k in range(K):
            first, second = lower, lower**2
            if lower < upper:
                m, s = one.means[k], one.deviations[k]
                cut = truncnorm((lower - m) / s, (upper - m) / s, m, s)
                first, second = cut.mean(), cut.moment(2)
            expected[k] += count[k] * np.array([1.0, first, second])
    np.testing.assert_allclose(one.summarize(x[:, None], counts), expected, rtol=1e-5)


def test_free_gradient_is_a_finite_difference():
    for column in columns().T:
        one = random_numeric(np.random.default_rng(0), margin_of(column))
        counts = np.random.default_rng(1).normal(size=(len(column), K))

        def value(parameters, one=one, counts=counts, column=column):
            return (counts * one.with_free_parameters(parameters).log_prob(column[:, None])).sum()

        found = one.free_gradient(one.summarize(column[:, None], counts))
        start = one.free_parameters()
        for i in range(2):
            for k in range(K):
                moved = [[part.copy() for part in start] for _ in range(2)]
                moved[0][i][k] += 1e-5
                moved[1][i][k] -= 1e-5
                slope = (value(moved[0]) - value(moved[1])) / 2e-5
                assert found[i][k] == pytest.approx(slope, rel=1e-5, abs=1e-4)


def test_stacked_regions_are_the_single_ones():
    X = columns(missing=0.2)
    circuit = numeric_circuit(X)
    inputs, evidence = circuit.inputs, circuit.inputs.encode(X)
    table, exponents = inputs.likelihoods(evidence)
    logs = np.log(table) + exponents[:, None] * np.log(2.0)
    vectors = evidence.values
    singles = [one.log_prob(x) for one, x in zip(inputs, vectors, strict=True)]
    np.testing.assert_allclose(logs, np.concatenate(singles), rtol=1e-12, atol=1e-12)
    counts = np.random.default_rng(0).uniform(size=table.shape)
    ends = np.cumsum(evidence.n_symbols)
    parts = np.split(counts, ends[:-1])
    found = inputs.summarize(evidence, counts)[1]
    triples = zip(inputs, vectors, parts, strict=True)
    expected = [one.summarize(x, part) for one, x, part in triples]
    assert np.array_equal(found, np.stack(expected))
    for new, one, own in zip(inputs.updated([counts[:0], found], 1.0), inputs, found, strict=True):
        again = one.updated(own)
        assert np.array_equal(new.means, again.means)
        assert np.array_equal(new.deviations, again.deviations)
    _, logits, *rest = inputs.free_parameters()
    assert inputs.with_free_parameters([_, logits, *rest])[1].means.tolist() == (
        inputs[1].means.tolist()
    )


def test_em_does_not_lower_what_it_maximises(monkeypatch):
    for name in ("MEAN_ROWS", "MEAN_SHARE", "VARIANCE_ROWS"):
        monkeypatch.setattr(f"skpc._circuit.inputs.normal_scale.{name}", 0.0)
    X = columns(missing=0.2)
    rows = rows_of(X)
    start = clustered_circuit(chain(4), rows, 4, np.random.RandomState(0))
    e_step = EStep(start, rows.evidence, rows.weights)
    result = fit_em(start, Progress(start, tol=0.0), e_step, MStep(), 30)
    assert np.diff(result.log_likelihoods).min() > -1e-10
    assert result.log_likelihoods[-1] > result.log_likelihoods[0] + 0.1


def test_much_shrinkage_leaves_the_margin_in_every_state():
    rng = np.random.default_rng(0)
    z = rng.standard_normal(1000)
    counts = rng.dirichlet(np.ones(K), 1000) * np.exp(z)[:, None]
    counts /= counts.sum(axis=1, keepdims=True)
    summary = np.stack([counts.sum(axis=0), z @ counts, z**2 @ counts], axis=1)
    means, deviations = updated(summary, np.zeros(K), np.ones(K), np.array(1e9))
    np.testing.assert_allclose(means, 0.0, atol=1e-3)
    np.testing.assert_allclose(deviations, z.std(), rtol=2e-3)


def test_a_state_without_counts_keeps_what_it_has_and_none_collapses():
    summary = np.array([[0.0, 0.0, 0.0], [5.0, 5.0, 5.0], [1e9, 1e9, 1e9]])
    old = np.array([0.3, 0.4, 0.5])
    means, deviations = updated(summary, old, old, np.array(0.0))
    assert means[0] == deviations[0] == 0.3
    assert (deviations > 0).all()
    np.testing.assert_allclose(means[2], 1.0)


def test_draws_have_the_distribution_of_the_scores():
    X = columns()
    circuit = numeric_circuit(X)
    drawn = sample(circuit, 4000, 4, np.random.RandomState(0))
    assert (drawn[:, 1] == np.rint(drawn[:, 1])).all()
    assert (drawn[:, 2] >= 0.0).all()
    scores = np.full((1, 4), np.nan)
    for value in 0.0, 4.0:
        column = 2 if value == 0.0 else 1
        scores[:] = np.nan
        scores[0, column] = value
        mass = np.exp(log_likelihood(circuit, scores)[0])
        share = (drawn[:, column] == value).mean()
        assert abs(share - mass) < 4 * np.sqrt(mass / 4000)
    grid = np.sort(drawn[:, 0])[100:-100]
    at = np.full((len(grid), 4), np.nan)
    at[:, 0] = grid
    density = np.exp(log_likelihood(circuit, at))
    cumulative = np.cumsum(np.diff(grid) * 0.5 * (density[1:] + density[:-1]))
    ranks = (grid[1:] <= grid[1:]).cumsum() / len(drawn)
    assert np.abs(cumulative - ranks).max() < 0.06


def test_moments_are_those_of_draws():
    X = columns()
    circuit = numeric_circuit(X)
    row = X[:1].copy()
    for j in range(3):
        given = row.copy()
        given[0, j] = np.nan
        drawn = sample_given(circuit, given, 4000, np.random.RandomState(j))[:, j]
        moments = conditional_moments(circuit, given, j)
        error = drawn.std() / np.sqrt(len(drawn))
        assert abs(drawn.mean() - moments.mean[0]) < 4 * error + 0.01 * drawn.std()
        assert drawn.var() == pytest.approx(moments.variance[0], rel=0.25)


@pytest.mark.parametrize("strategy", ["median_mode", "mean_mode", "sample", "max_product"])
def test_missing_cells_are_filled(strategy):
    X = columns(missing=0.3)
    filled = complete(numeric_circuit(X), X, strategy, np.random.RandomState(0))
    assert not np.isnan(filled).any()
    if strategy != "mean_mode":
        assert (filled[:, 1] == np.rint(filled[:, 1])).all()
        assert (filled[:, 2] >= 0).all()


def test_contributions_are_differences():
    X = columns(60, missing=0.2)
    circuit = numeric_circuit(X)
    found = contributions(circuit, X)
    scores = log_likelihood(circuit, X)
    for j in range(4):
        others = X.copy()
        others[:, j] = np.nan
        expected = log_likelihood(circuit, others) - scores
        np.testing.assert_allclose(found[:, j], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("suffix", ["npz", "json"])
def test_files_keep_every_bit(tmp_path, suffix):
    X = columns(missing=0.1)
    circuit = numeric_circuit(X)
    save(circuit, tmp_path / f"circuit.{suffix}")
    for again in (
        load(tmp_path / f"circuit.{suffix}"),
        from_dict(to_dict(circuit)),
        pickle.loads(pickle.dumps(circuit)),
    ):
        assert np.array_equal(log_likelihood(again, X), log_likelihood(circuit, X))


def test_threads_do_not_change_a_bit():
    X = columns(700, missing=0.1)
    circuit = numeric_circuit(X)
    found = []
    for n_threads in 1, 2:
        with use_threads(n_threads):
            counts = gather(circuit, X, np.ones(len(X)))
            found.append((counts.inputs[1], counts.sums, log_likelihood(circuit, X)))
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_integer_weights_are_repetitions_to_the_last_bit():
    X = columns(80, missing=0.1)
    counts = np.random.default_rng(1).integers(0, 4, 80)
    parameters = {
        "n_latents": 3, "max_iter": 10, "feature_types": "numeric", "early_stopping": False,
        "random_state": 0,
    }  # fmt: skip
    weighted = SharpPCDensity(**parameters).fit(X, sample_weight=counts)
    repeated = SharpPCDensity(**parameters).fit(np.repeat(X, counts, axis=0)[::-1])
    assert np.array_equal(weighted.score_samples(X), repeated.score_samples(X))


@pytest.mark.parametrize(
    "parameters", [{}, {"n_components": 2}, {"batch_size": 60}, {"solver": "adam"}]
)
def test_estimators_learn_numeric_columns(parameters):
    X = columns(300, missing=0.1)
    types = {0: "numeric", 1: "numeric", 2: "numeric", 3: "numeric"}
    settings = {"feature_types": types, "max_iter": 10, "random_state": 0, **parameters}
    model = SharpPCDensity(n_latents=4, **settings).fit(X)
    alone = SharpPCDensity(n_latents=1, feature_groups=None, **settings).fit(X)
    assert model.score(X) > alone.score(X)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.score_samples(X), model.score_samples(X))
    drawn = model.sample(500, random_state=0)
    assert kstest(drawn[:, 0], X[~np.isnan(X[:, 0]), 0]).pvalue > 1e-4
