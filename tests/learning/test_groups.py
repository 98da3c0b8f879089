"""Which columns are taken together: only what pays for its covariances on other rows."""

import numpy as np
import pytest

from skpc import SharpPCDensity
from skpc._data.rows import Rows
from skpc._data.scope import Scope
from skpc._learning.groups import _gain, _scores, correlated_groups, correlations, joined
from skpc._tables.margins import learn_margin


def numeric_rows(X, weights=None):
    scopes = []
    for j, column in enumerate(X.T):
        distinct, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        margin = learn_margin(distinct, counts.astype(float))
        scopes.append(Scope(np.array([j]), "numeric", None, margin=margin))
    weights = np.ones(len(X)) if weights is None else weights
    return Rows.encode(X, scopes, weights).distinct()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_rows", [15, 30, 60])
def test_fewer_rows_than_columns_find_no_groups_by_chance(n_rows, seed):
    X = np.random.default_rng(seed).standard_normal((n_rows, 40))
    found = correlations(X, np.ones(n_rows))
    assert joined(*found, 1) == []
    assert correlated_groups(numeric_rows(X), 1) == []


def test_a_chance_correlation_pays_the_price_of_the_best_of_all_pairs():
    """It would pass the criterion for a single pair, and is the best of thousands."""
    correlation = np.eye(100)
    correlation[0, 1] = correlation[1, 0] = 0.4
    totals = np.full((100, 100), 60.0)
    assert joined(correlation[:2, :2], totals[:2, :2], 1) == [[0, 1]]
    assert joined(correlation, totals, 1) == []


def test_numeric_columns_are_correlated_on_their_normal_scale():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((200, 3))
    z[:, 1] = 0.8 * z[:, 0] + 0.6 * z[:, 1]
    X = np.stack([np.exp(5.0 * z[:, 0]), np.exp(-3.0 * z[:, 1]), z[:, 2]], axis=1)
    with np.errstate(over="ignore"):
        assert correlated_groups(numeric_rows(X), 4) == [[0, 1]]
    raw, _ = correlations(X, np.ones(200))
    assert raw[0, 1] ** 2 < 0.05  # which would not have been seen


def test_columns_of_few_levels_stay_alone():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((300, 2))
    X = np.stack([z[:, 0], z[:, 0] + 0.1 * z[:, 1], np.rint(z[:, 0])], axis=1)
    assert correlated_groups(numeric_rows(X), 2) == [[0, 1]]


def test_a_group_has_no_more_than_four_correlations_for_each_row():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 1)) + 0.3 * rng.standard_normal((100, 30))
    for n_latents in (1, 4, 16):
        sizes = [len(group) for group in joined(*correlations(X, np.ones(100)), n_latents)]
        assert sizes
        assert max(sizes) * (max(sizes) - 1) / 2 * n_latents <= 400


def test_gain_is_that_of_shrunk_correlations_in_the_likelihood_of_the_rows():
    correlation = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.4], [0.2, 0.4, 1.0]])
    shrunk = np.where(np.eye(3) > 0, 1.0, correlation * 90.0 / 100.0)
    # Sum of log N(x; 0, shrunk) - log N(x; 0, 1) over 90 rows with these correlations.
    quadratic = np.trace(np.linalg.solve(shrunk, correlation)) - 3.0
    expected = -45.0 * (np.log(np.linalg.det(shrunk)) + quadratic)
    assert _gain(correlation, np.arange(3), 90.0) == pytest.approx(expected, rel=1e-12)


def test_independent_columns_are_hardly_worse_with_groups_allowed():
    rng = np.random.RandomState(0)
    X, test = rng.randn(30, 40), rng.randn(300, 40)
    scores = [
        SharpPCDensity(n_latents=1, feature_groups=groups, random_state=0).fit(X).score(test)
        for groups in ("auto", None)
    ]
    assert scores[0] > scores[1] - 1e-9


@pytest.mark.parametrize("n_cells", [1, 100, 2**18])
def test_columns_are_scored_by_their_margins_whatever_the_block(monkeypatch, n_cells):
    monkeypatch.setattr("skpc._learning.groups._BLOCK_CELLS", n_cells)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 4))
    X[:, 2] = np.round(4.0 * X[:, 2])
    X[rng.random(X.shape) < 0.1] = np.nan
    rows = numeric_rows(X)
    margins = [scope.margin for scope in rows.scopes]
    scores = _scores(rows, [0, 2, 3], [margins[j] for j in (0, 2, 3)])
    for j, own in zip((0, 2, 3), scores, strict=True):
        expected, _ = margins[j].points(rows.evidence.column(j))
        np.testing.assert_allclose(own, expected, rtol=1e-12)
