"""Forests of categorical columns, against sums over all their categories."""

import pickle
from itertools import product

import numpy as np
import pytest
from helpers import gather, positive, random_gaussian
from scipy.special import logsumexp

from skpc._circuit.circuit import Circuit, mixture
from skpc._circuit.inputs.composite import Composite
from skpc._circuit.inputs.forest import Forest
from skpc._circuit.inputs.inputs import Inputs
from skpc._circuit.inputs.kinds import kind_named
from skpc._circuit.inputs.table import Categorical
from skpc._circuit.stack import stacked
from skpc._data.evidence import Evidence
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, FOREST, Scope
from skpc._learning.em import EStep, fit_em
from skpc._learning.mstep import MStep
from skpc._learning.progress import Progress
from skpc._passes.likelihood import log_likelihood
from skpc._queries.contributions import contributions
from skpc._queries.imputation import complete
from skpc._queries.information import mutual_information
from skpc._queries.marginals import conditional_probabilities, marginal
from skpc._queries.posteriors import posteriors
from skpc._queries.sampling import sample_given
from skpc._threads import use_threads
from skpc.circuit import from_dict, load, save, to_cirkit, to_dict
from skpc.curvature import hessian_trace

pytestmark = pytest.mark.usefixtures("one_thread")

K = 3
NEVER = 99.0
SHAPES = {
    "chain": ([1, 2, 3, -1], [2, 3, 2, 4]),
    "star": ([2, 2, -1, 2], [3, 2, 3, 2]),
    "two trees": ([-1, 0, 4, 4, -1], [2, 2, 3, 2, 2]),
    "no edges": ([-1, -1, -1], [2, 4, 3]),
    "one": ([-1], [3]),
    "a column of one value": ([1, -1, 1], [2, 1, 3]),
}
each_shape = pytest.mark.parametrize("name", SHAPES)


def forest(rng, parents, sizes, shown=None, n_latents=K):
    """A forest with random tables, whose categories are no positions."""
    tables = [
        positive(rng, 1 if parent < 0 else sizes[parent], n_latents, size).transpose(0, 2, 1)
        for parent, size in zip(parents, sizes, strict=True)
    ]
    categories = [2.0 * np.arange(size) + 1.0 for size in sizes]
    unseen = rng.uniform(1e-3, 1e-2, (len(sizes), n_latents))
    made = Forest.of(categories, np.array(parents), tables, unseen, shown)
    made.check()
    return made


def tables_of(one):
    """The table (U, V, K) of each column."""
    out, first = [], 0
    for parent, size in zip(one.parents, one.n_categories, strict=True):
        n_above = 1 if parent < 0 else one.n_categories[parent]
        out.append(one.probs[first : first + n_above * size].reshape(n_above, size, -1))
        first += n_above * size
    return out


def columns_of(one):
    return np.split(one.categories, np.cumsum(one.n_categories)[:-1])


def worlds(one):
    """All joint categories (w, m), as positions, and their probabilities (w, K)."""
    cells = np.array(list(product(*(range(n) for n in one.n_categories))))
    p = np.ones((len(cells), one.n_latents))
    for column, (parent, table) in enumerate(zip(one.parents, tables_of(one), strict=True)):
        above = cells[:, parent] if parent >= 0 else 0
        p *= table[above, cells[:, column]]
    return cells, p


def brute(one, x):
    """Weights (w, K) of all worlds that agree with row x; values never seen cut their column off.

    The factor of such a column is its unseen mass, and a column below has what it has alone.
    """
    cells, joint = worlds(one)
    full = np.full(len(one.parents), np.nan)
    full[one.shown] = x
    known = columns_of(one)
    is_unseen = np.array([v == v and v not in c for v, c in zip(full, known, strict=True)])
    p = np.ones_like(joint)
    for column, (parent, table) in enumerate(zip(one.parents, tables_of(one), strict=True)):
        own = cells[:, column]
        if is_unseen[column]:  # its own category counts once
            p *= np.where(own == 0, 1.0, 0.0)[:, None] * one.unseen[column]
            continue
        if parent >= 0 and is_unseen[parent]:
            alone = np.array([joint[own == v].sum(axis=0) for v in range(len(known[column]))])
            p *= alone[own]
        else:
            p *= table[cells[:, parent] if parent >= 0 else 0, own]
        if full[column] == full[column]:
            p *= (known[column][own] == full[column])[:, None]
    return cells, p, is_unseen


def rows_for(rng, one, n=40, missing=0.4, unseen=0.1):
    known = columns_of(one)
    X = np.stack([rng.choice(known[column], n) for column in one.shown], axis=1)
    X[rng.random(X.shape) < unseen] = NEVER
    X[rng.random(X.shape) < missing] = np.nan
    X[0] = np.nan
    return X


def case(name, seed=0, **options):
    rng = np.random.default_rng(seed)
    one = forest(rng, *SHAPES[name])
    return one, rows_for(rng, one, **options), rng


# --- the distribution --------------------------------------------------------------------


@each_shape
def test_log_masses_are_sums_over_all_categories(name):
    one, X, _ = case(name, n=60)
    expected = np.array([brute(one, x)[1].sum(axis=0) for x in X])
    np.testing.assert_allclose(one.log_prob(X), np.log(expected), rtol=1e-11, atol=1e-14)
    cells, p = worlds(one)
    values = np.stack([c[i] for c, i in zip(columns_of(one), cells.T, strict=True)], axis=1)
    np.testing.assert_allclose(np.exp(one.log_prob(values)), p, rtol=1e-12)
    np.testing.assert_allclose(p.sum(axis=0), 1.0, rtol=1e-12)


@each_shape
def test_rows_without_each_column_are_rows_with_a_hole(name):
    one, X, _ = case(name, missing=0.2, n=20)
    whatever = product(*([columns_of(one)[c][0], NEVER, np.nan] for c in one.shown))
    X = np.concatenate([X, list(whatever)])
    actual = one.log_prob_of_others(X)
    for entry in range(one.n_columns):
        others = X.copy()
        others[:, entry] = np.nan
        expected = [np.log(brute(one, x)[1].sum(axis=0)) for x in others]
        np.testing.assert_allclose(actual[:, entry], expected, rtol=1e-10, atol=1e-13)


@each_shape
def test_the_sum_of_expected_counts_is_that_of_all_categories(name):
    one, X, rng = case(name)
    counts = rng.normal(size=(len(X), K))
    expected = np.zeros_like(one.probs)
    starts = np.cumsum([0, *(table[..., 0].size for table in tables_of(one))])
    for x, row_counts in zip(X, counts, strict=True):
        cells, p, is_unseen = brute(one, x)
        post = row_counts * p / p.sum(axis=0)
        full = np.full(len(one.parents), np.nan)
        full[one.shown] = x
        is_told = ~np.isnan(full) & ~is_unseen
        for column in np.argsort([depth(one.parents, c) for c in range(len(full))])[::-1]:
            parent = one.parents[column]
            if is_told[column] and parent >= 0 and not is_unseen[parent]:
                is_told[parent] = True
        for column, parent in enumerate(one.parents):
            if not is_told[column] or (parent >= 0 and is_unseen[parent]):
                continue
            above = cells[:, parent] if parent >= 0 else 0
            places = starts[column] + above * one.n_categories[column] + cells[:, column]
            np.add.at(expected, places, post)
    actual = one.summarize(X, counts)
    assert actual.shape == (K, one.n_statistics)
    np.testing.assert_allclose(actual, expected.T, rtol=1e-10, atol=1e-12)


def depth(parents, column):
    return 0 if parents[column] < 0 else 1 + depth(parents, parents[column])


@each_shape
def test_draws_given_a_row_have_its_conditional_distribution(name):
    """A grid of uniform numbers in place of random ones: shares are right to its fineness."""
    one, X, rng = case(name, n=8, missing=0.7)
    n = 4000
    for x in X:
        cells, p, is_unseen = brute(one, x)
        for state in range(K):
            uniforms = rng.random((n, one.n_columns))
            values = np.repeat(x[None], n, axis=0)
            drawn = one.sample_given(values, np.full(n, state), uniforms, np.empty((0, 0)))
            assert not np.isnan(drawn).any()
            is_seen = ~np.isnan(x)
            assert (drawn[:, is_seen] == x[is_seen]).all()
            for entry, column in enumerate(one.shown):
                if is_seen[entry] or is_unseen[column]:
                    continue
                for v, category in enumerate(columns_of(one)[column]):
                    q = p[cells[:, column] == v, state].sum() / p[:, state].sum()
                    error = 5 * np.sqrt(q * (1 - q) / n) + 1e-3
                    assert abs((drawn[:, entry] == category).mean() - q) < error


@each_shape
def test_the_likeliest_values_are_those_of_all_categories(name):
    one, X, _ = case(name)
    peaks = one.log_peak(X)
    for state in range(K):
        filled = one.likeliest(X, np.full(len(X), state))
        for x, row, peak in zip(X, filled, peaks[:, state], strict=True):
            cells, p, _ = brute(one, x)
            best = cells[p[:, state].argmax()]
            expected = np.array([c[i] for c, i in zip(columns_of(one), best, strict=True)])
            assert np.array_equal(row, np.where(np.isnan(x), expected[one.shown], x))
            assert peak == pytest.approx(np.log(p[:, state].max()), rel=1e-11, abs=1e-13)


@each_shape
def test_masses_of_missing_columns_are_sums_over_all_categories(name):
    one, X, rng = case(name)
    shares = rng.uniform(size=(len(X), K))
    found = one.missing_masses(X, shares)
    assert (found[0] is None) == (one.parents < 0).all()
    for entry, column in enumerate(one.shown):
        for i in np.flatnonzero(np.isnan(X[:, entry])):
            cells, p, _ = brute(one, X[i])
            p = p @ (shares[i] / p.sum(axis=0))
            expected = [p[cells[:, column] == v].sum() for v in range(one.n_categories[column])]
            if found[entry] is None:
                np.testing.assert_allclose(one.probabilities(entry) @ shares[i], expected)
            else:
                np.testing.assert_allclose(found[entry][i], expected, rtol=1e-10)


@pytest.mark.parametrize(
    "entries", [[0], [3], [0, 1], [0, 3], [0, 2], [1, 3], [0, 1, 3], [1, 2, 3], [0, 1, 2, 3]]
)
@pytest.mark.parametrize("name", ["chain", "star", "two trees"])
def test_a_marginal_sums_the_others_out(name, entries):
    one, X, _ = case(name, n=30, missing=0.2, unseen=0.0)
    smaller = one.marginal(np.array(entries))
    others = np.full_like(X, np.nan)
    others[:, entries] = X[:, entries]
    np.testing.assert_allclose(
        smaller.log_prob(X[:, entries]), one.log_prob(others), rtol=1e-11, atol=1e-13
    )
    assert smaller.kind == ("categorical" if len(entries) == 1 else FOREST)
    smaller.check()
    if len(entries) == 1:
        return
    assert smaller.n_columns == len(entries)
    for entry, old in enumerate(entries):
        np.testing.assert_allclose(smaller.probabilities(entry), one.probabilities(old), rtol=1e-12)
    rest = X[:, entries]
    np.testing.assert_allclose(
        smaller.log_prob_of_others(rest),
        one.log_prob_of_others(others)[:, entries], rtol=1e-11, atol=1e-13,
    )  # fmt: skip


def test_a_hidden_column_is_drawn_and_counted_without_being_shown():
    rng = np.random.default_rng(3)
    parents, sizes = [-1, 0, 0, 0], [3, 2, 3, 2]
    whole = forest(rng, parents, sizes)
    hidden = whole.marginal(np.array([1, 2, 3]))
    assert len(hidden.parents) == 4
    X = rows_for(rng, hidden)
    others = np.column_stack([np.full(len(X), np.nan), X])
    counts = rng.uniform(size=(len(X), K))
    np.testing.assert_allclose(
        hidden.summarize(X, counts), whole.summarize(others, counts), rtol=1e-11
    )
    n = 40_000
    drawn = hidden.sample(np.zeros(n, np.int64), np.random.RandomState(0))
    cells, p = worlds(whole)
    for values in product(*(columns_of(whole)[c] for c in (1, 2, 3))):
        is_own = np.ones(len(cells), bool)
        for column, value in zip((1, 2, 3), values, strict=True):
            is_own &= columns_of(whole)[column][cells[:, column]] == value
        q = p[is_own, 0].sum()
        actual = (drawn == np.array(values)).all(axis=1).mean()
        assert abs(actual - q) < 5 * np.sqrt(q * (1 - q) / n)


@each_shape
def test_gradients_are_those_of_differences(name):
    one, X, rng = case(name, unseen=0.0)
    counts = rng.normal(size=(len(X), K))
    (logits,), (gradient,) = one.free_parameters(), one.free_gradient(one.summarize(X, counts))
    for index, actual in np.ndenumerate(gradient):
        values = []
        for step in (1e-6, -1e-6):
            moved = logits.copy()
            moved[index] += step
            values.append((counts * one.with_free_parameters([moved]).log_prob(X)).sum())
        assert actual == pytest.approx((values[0] - values[1]) / 2e-6, abs=2e-7)


@pytest.mark.parametrize("pseudocount", [0.0, 0.003, 0.3])
def test_a_root_is_updated_as_a_table_is(pseudocount):
    one, _, rng = case("no edges")
    counts = rng.uniform(0.0, 5.0, (K, one.n_statistics))
    counts[:, 1] = 0.0
    counts[2, :2] = 0.0  # a state without any
    new = one.updated(counts, pseudocount)
    first = 0
    for column, (known, table) in enumerate(zip(columns_of(one), tables_of(one), strict=True)):
        own = slice(first, first + len(known))
        first += len(known)
        alone = Categorical(known, table[0], one.unseen[column])
        expected = alone.updated(counts[:, own], pseudocount)
        np.testing.assert_allclose(new.probs[own], expected.probs, rtol=1e-12)
        np.testing.assert_allclose(new.unseen[column], expected.unseen, rtol=1e-12)
        again = alone.with_unseen(counts[:, own], pseudocount).unseen
        np.testing.assert_allclose(one.with_unseen(counts, pseudocount).unseen[column], again)
    new.check()


def test_pseudocounts_given_a_parent_are_spread_as_the_column_is_in_all():
    one = forest(np.random.default_rng(0), [-1, 0], [2, 3])
    counts = np.random.default_rng(1).uniform(1.0, 5.0, (K, one.n_statistics))
    new = one.updated(counts, 2.0)
    below = counts[:, 2:].reshape(K, 2, 3)
    totals = below.sum(axis=2, keepdims=True)
    n_even = 1.0  # one row is spread evenly over categories, and over the rest as it counts
    overall = (below.sum(axis=(0, 1)) + n_even / 3) / (below.sum() + n_even)
    expected = below + n_even / 3 * totals / below.sum() + 2.0 * overall
    expected /= expected.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(tables_of(new)[1], expected.transpose(1, 2, 0), rtol=1e-12)


def test_columns_without_rows_are_even():
    one, _, _ = case("star")
    entries = np.array([False, True, False, False])
    new = one.with_margins(entries, np.zeros(4), np.ones(4))
    assert (tables_of(new)[1] == 0.5).all()
    assert (new.unseen[1] == 0.5).all()
    for column in (0, 2, 3):
        assert np.array_equal(tables_of(new)[column], tables_of(one)[column])


def test_products_of_many_columns_do_not_underflow():
    """A star of 2,000 columns below one that is missing, against logarithms."""
    m = 2000
    rng = np.random.default_rng(0)
    parents = np.append(-1, np.zeros(m - 1, np.int64))
    tables = [positive(rng, 1, K, 2).transpose(0, 2, 1)]
    for _ in range(m - 1):
        rare = 10.0 ** -rng.uniform(0.1, 28.0, (2, K))
        tables.append(np.stack([rare, 1.0 - rare], axis=1))
    one = Forest.of([np.arange(2.0)] * m, parents, tables, np.full((m, K), 1e-30))
    X = np.zeros((3, m))
    X[:, 0] = np.nan
    X[1, 1:1000] = 1.0
    X[2, 5:] = NEVER
    expected = []
    for x in X:
        logs = np.log(tables[0][0])
        for table, value in zip(tables[1:], x[1:], strict=True):
            logs = logs + (np.log(1e-30) if value == NEVER else np.log(table[:, int(value)]))
        expected.append(logsumexp(logs, axis=0))
    np.testing.assert_allclose(one.log_prob(X), expected, rtol=1e-12)
    found = one.summarize(X[:1], np.ones((1, K)))[:, :2]
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


# --- arrays, pickles, messages -----------------------------------------------------------


def test_arrays_and_pickles_bring_it_back():
    one, X, _ = case("two trees")
    for copy in (
        Forest.from_arrays({n: np.asarray(a, np.float64) for n, a in one.to_arrays().items()}),
        pickle.loads(pickle.dumps(one)),
    ):
        assert np.array_equal(copy.log_prob(X), one.log_prob(X))
        assert copy.parents.dtype == np.int64


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("parents", lambda a: a * 0, "parents must describe a forest"),
        ("parents", lambda a: a + 0.5, "parents must be integers"),
        ("parents", lambda a: a[:-1], "parents must have shape"),
        ("shown", lambda a: a * 0, "shown must be distinct"),
        ("shown", lambda a: a + 9, "shown must be positions among the 4 columns"),
        ("n_categories", lambda a: a * 0, "n_categories must be at least one"),
        ("n_categories", lambda a: a + 1, "categories must have shape"),
        ("probs", lambda a: 2 * a, "probs must be above 0 and at most 1"),
        ("probs", lambda a: 0.9 * a, "probs must sum to one"),
        ("probs", lambda a: a[:-1], "probs must have shape"),
        ("unseen", lambda a: 0 * a, "unseen must be above 0"),
        ("categories", lambda a: a[::-1].copy(), "sorted and distinct"),
    ],
)
def test_arrays_that_are_no_forest_are_refused(name, change, match):
    one, _, _ = case("star")
    arrays = {n: np.asarray(a, np.float64) for n, a in one.to_arrays().items()}
    with pytest.raises(ValueError, match=match):
        Forest.from_arrays({**arrays, name: change(arrays[name])})


def test_forests_of_one_shape_share_what_rows_show():
    circuit, X, _ = several("star")
    evidence = circuit.inputs.encode(X)
    assert all(values is evidence.values[0] for values in evidence.values)
    again = from_dict(to_dict(circuit))
    for inputs in circuit.inputs, again.inputs:
        inputs.likelihoods(evidence)
    assert len(evidence.memo) == 1
    some = evidence.take(slice(0, 10))
    assert all(values is some.values[0] for values in some.values)
    assert np.array_equal(
        some.values[1][some.symbols[1]],
        evidence.values[1][evidence.symbols[1, :10]],
        equal_nan=True,
    )


# --- whole circuits ----------------------------------------------------------------------


def several(name, seed=0, n_trees=3, n=40, **options):
    """A circuit of trees of one region, all columns in each, in an order of their own."""
    rng = np.random.default_rng(seed)
    parents, sizes = SHAPES[name]
    m = len(sizes)
    forests = [forest(rng, parents, sizes) for _ in range(n_trees)]
    columns = rng.permutation(m)
    inputs = Inputs.of([columns] * n_trees, forests, K)
    circuit = Circuit(
        np.full(n_trees, -1), inputs.features, positive(rng, n_trees * K),
        np.repeat(np.eye(K)[None], n_trees, axis=0), inputs,
    )  # fmt: skip
    circuit.check()
    X = np.empty((n, m))
    X[:, columns] = rows_for(rng, forests[0], n, **options)
    return circuit, X, rng


def joint_of(circuit, x):
    """Weights (trees * K, worlds) of all worlds that agree with row x, and their values."""
    found = []
    for one, own in zip(circuit.inputs, circuit.features, strict=True):
        cells, p, is_unseen = brute(one, x[own])
        found.append(p.T)
    values = np.empty((len(cells), len(x)))
    for place, column in enumerate(circuit.features[0]):
        values[:, column] = columns_of(circuit.inputs[0])[place][cells[:, place]]
        if is_unseen[place]:
            values[:, column] = x[column]
    return circuit.root_weights[:, None] * np.concatenate(found), values


each_edges = pytest.mark.parametrize("name", ["star", "two trees", "no edges"])


@each_edges
def test_scores_and_posteriors_are_sums_over_states(name):
    circuit, X, _ = several(name)
    joint = np.array([joint_of(circuit, x)[0].sum(axis=1) for x in X])
    np.testing.assert_allclose(
        log_likelihood(circuit, X), np.log(joint.sum(axis=1)), rtol=1e-11, atol=1e-13
    )
    post = joint / joint.sum(axis=1, keepdims=True)
    expected = post.reshape(len(X), -1, K).transpose(1, 0, 2)
    np.testing.assert_allclose(posteriors(circuit, X, [0, 1, 2]), expected, rtol=1e-10)


@each_edges
def test_contributions_are_differences_of_scores(name):
    circuit, X, _ = several(name)
    scores = log_likelihood(circuit, X)
    found = contributions(circuit, X)
    for column in range(X.shape[1]):
        others = X.copy()
        others[:, column] = np.nan
        expected = log_likelihood(circuit, others) - scores
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-9, atol=1e-12)


@each_edges
def test_conditionals_and_completions_are_sums_over_worlds(name):
    circuit, X, _ = several(name)
    rows = complete(circuit, X, "mean_mode", np.random.RandomState(0))
    for column in range(X.shape[1]):
        found = conditional_probabilities(circuit, X, column)
        for x, filled, probs in zip(X, rows, found, strict=True):
            rest = x.copy()
            rest[column] = np.nan
            weights, values = joint_of(circuit, rest)
            known = np.unique(values[:, column])
            of_values = [weights[:, values[:, column] == v].sum() for v in known]
            np.testing.assert_allclose(probs, of_values / weights.sum(), rtol=1e-10)
            if np.isnan(x[column]):
                assert filled[column] == known[np.argmax(of_values)]


@each_edges
def test_the_most_probable_completion_is_that_of_all_worlds(name):
    circuit, X, _ = several(name)
    filled = complete(circuit, X, "max_product", np.random.RandomState(0))
    for x, row in zip(X, filled, strict=True):
        weights, values = joint_of(circuit, x)
        assert np.array_equal(row, values[weights.max(axis=0).argmax()])


@pytest.mark.parametrize("columns", [[0], [3, 1], [2, 0, 3]])
def test_marginals_of_circuits_sum_the_others_out(columns):
    circuit, X, _ = several("two trees")
    smaller = marginal(circuit, np.array(columns))
    others = np.full_like(X, np.nan)
    others[:, columns] = X[:, columns]
    others[others == NEVER] = np.nan
    np.testing.assert_allclose(
        log_likelihood(smaller, others[:, columns]), log_likelihood(circuit, others),
        rtol=1e-11, atol=1e-13,
    )  # fmt: skip
    again = from_dict(to_dict(smaller))
    assert np.array_equal(
        log_likelihood(again, others[:, columns]), log_likelihood(smaller, others[:, columns])
    )


@each_edges
def test_the_trace_of_root_weights_is_that_of_differences(name):
    circuit, X, _ = several(name, n=8)
    X = X[1:]  # whose first row shows nothing, and scores zero whatever the weights
    step = 3e-4
    expected = np.zeros(len(X))
    for i in range(len(circuit.root_weights)):
        scores = []
        for change in (step, 0.0, -step):
            moved = circuit.root_weights.copy()
            moved[i] += change
            scores.append(log_likelihood(circuit.replaced(root_weights=moved), X))
        expected -= (scores[0] - 2 * scores[1] + scores[2]) / step**2
    np.testing.assert_allclose(hessian_trace(circuit, X), expected, rtol=1e-4)


@each_edges
def test_em_never_lowers_the_likelihood(name):
    circuit, X, rng = several(name, n=60, unseen=0.0)
    e_step = EStep(circuit, circuit.inputs.encode(X), rng.uniform(0.1, 3.0, len(X)))
    result = fit_em(circuit, Progress(circuit, tol=0.0), e_step, MStep(), 30)
    assert np.diff(result.log_likelihoods).min() > -1e-12
    assert result.log_likelihoods[-1] > result.log_likelihoods[0] + 0.05


def test_expected_counts_are_those_of_each_region_given_its_posterior():
    circuit, X, rng = several("star")
    weights = rng.uniform(0.1, 3.0, len(X))
    counts = gather(circuit, X, weights)
    post = posteriors(circuit, X, [0, 1, 2])
    for one, own, found, flow in zip(
        circuit.inputs, circuit.features, counts.inputs[1:], post, strict=True
    ):
        expected = one.summarize(X[:, own], weights[:, None] * flow)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-13)


def test_a_mixture_with_an_ordinary_tree_is_a_mixture():
    rng = np.random.default_rng(5)
    circuit, X, _ = several("star")
    known = {c: circuit.inputs[0].categories_of(i) for i, c in enumerate(circuit.features[0])}
    tables = [
        Categorical(known[c], positive(rng, 2, len(known[c])).T, rng.uniform(1e-3, 1e-2, 2))
        for c in range(4)
    ]
    inputs = Inputs.of([np.array([c]) for c in range(4)], tables, 2)
    sum_weights = positive(rng, 4, 2, 2)
    sum_weights[0] = np.eye(2)
    tree = Circuit(np.array([-1, 0, 1, 1]), inputs.features, positive(rng, 2), sum_weights, inputs)
    for order in ([tree, circuit], [circuit, tree]):
        both = stacked(order, np.array([0.3, 0.7]))
        scores = [log_likelihood(c, X) + np.log(w) for c, w in zip(order, (0.3, 0.7), strict=True)]
        np.testing.assert_allclose(
            log_likelihood(both, X), logsumexp(scores, axis=0), rtol=1e-11, atol=1e-14
        )


@each_edges
def test_information_of_columns_is_that_of_all_worlds(name):
    circuit, X, _ = several(name)
    found = mutual_information(circuit, X.shape[1], circuit.inputs)
    weights, values = joint_of(circuit, np.full(X.shape[1], np.nan))
    p = weights.sum(axis=0)

    def entropy(*columns):
        _, places = np.unique(values[:, columns], axis=0, return_inverse=True)
        q = np.bincount(places.ravel(), p)
        return -(q * np.log(q)).sum()

    for a, b in product(range(X.shape[1]), repeat=2):
        expected = entropy(a) + entropy(b) - (entropy(a, b) if a != b else entropy(a))
        assert found[a, b] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@each_edges
def test_results_do_not_depend_on_blocks_or_threads(name):
    circuit, X, rng = several(name, n=400)
    weights = rng.uniform(0.1, 3.0, len(X))

    def results(max_bytes):
        return [
            log_likelihood(circuit, X, max_bytes=max_bytes),
            contributions(circuit, X, max_bytes=max_bytes),
            conditional_probabilities(circuit, X, 1, max_bytes=max_bytes),
            sample_given(circuit, X, 2, np.random.RandomState(0), max_bytes=max_bytes),
            complete(circuit, X, "max_product", np.random.RandomState(0), max_bytes=max_bytes),
        ]

    def counts():
        found = gather(circuit, X, weights)
        return [found.root, *found.inputs]

    one = [*results(2**30), *counts()]
    with use_threads(2):
        two = [*results(40_000), *counts()]
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b)
    order = np.random.default_rng(1).permutation(len(X))
    assert np.array_equal(log_likelihood(circuit, X[order]), one[0][order])


def test_circuits_are_plain_data_files_and_pickles(tmp_path):
    circuit, X, _ = several("two trees")
    found = [from_dict(to_dict(circuit)), pickle.loads(pickle.dumps(circuit))]
    for name in "circuit.npz", "circuit.json":
        save(circuit, tmp_path / name)
        found.append(load(tmp_path / name))
    for again in found:
        assert np.array_equal(log_likelihood(again, X), log_likelihood(circuit, X))
        assert again.inputs.kinds == (FOREST,) * 3


def test_grouped_rows_say_the_same_as_rows_that_are_read():
    circuit, X, _ = several("star")
    known = {c: circuit.inputs[0].categories_of(i) for i, c in enumerate(circuit.features[0])}
    scopes = [Scope(np.array([c]), CATEGORICAL, known[c]) for c in range(4)]
    rows = Rows.encode(X, scopes, np.ones(len(X))).grouped(circuit.features)
    read = circuit.inputs.encode(X)
    for evidence in rows.evidence, read:
        assert isinstance(evidence, Evidence)
    a, b = (
        EStep(circuit, evidence, np.ones(len(X)))(circuit) for evidence in (rows.evidence, read)
    )
    np.testing.assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-12)
    for one, two in zip(a.inputs, b.inputs, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-13)


def test_a_start_has_no_edges():
    parts = tuple(Scope(np.array([c]), CATEGORICAL, np.arange(c + 2.0)) for c in range(3))
    scope = Scope(np.arange(3), FOREST, None, parts)
    values = np.full((1, 3), np.nan)
    one = kind_named(FOREST).random(scope, values, np.ones(1), K, np.random.RandomState(0))
    one.check()
    assert (one.parents == -1).all()
    assert [len(one.categories_of(entry)) for entry in range(3)] == [2, 3, 4]
    assert one.kinds == (CATEGORICAL,) * 3


def test_cirkit_is_told_what_it_does_not_know():
    pytest.importorskip("cirkit")
    with pytest.raises(ValueError, match="kind of region 0 is 'forest'"):
        to_cirkit(several("star")[0])


# --- beside other parts ------------------------------------------------------------------


def beside(rng, name="star"):
    """A forest between a Gaussian of two columns and one of one, and a table."""
    one = forest(rng, *SHAPES[name])
    table = Categorical(np.arange(2.0), positive(rng, K, 2).T, rng.uniform(1e-3, 1e-2, K))
    return Composite((random_gaussian(rng, K, 2), one, random_gaussian(rng, K, 1), table))


def test_parts_of_several_columns_stand_side_by_side():
    rng = np.random.default_rng(0)
    composite = beside(rng)
    pair, one, single, table = composite.parts
    assert composite.n_columns == 8
    assert composite.kinds == ("gaussian",) * 2 + (CATEGORICAL,) * 4 + ("gaussian", CATEGORICAL)
    X = np.column_stack(
        [rng.normal(size=(30, 2)), rows_for(rng, one, 30), rng.normal(size=30), rng.choice(2, 30)]
    )
    X[rng.random(X.shape) < 0.2] = np.nan
    blocks = [(pair, X[:, :2]), (one, X[:, 2:6]), (single, X[:, 6:7]), (table, X[:, 7:])]
    expected = sum(part.log_prob(own) for part, own in blocks)
    np.testing.assert_allclose(composite.log_prob(X), expected, rtol=1e-12)
    prepared = composite.prepared(X)
    np.testing.assert_allclose(composite.log_prob_prepared(prepared), expected, rtol=1e-12)
    others = composite.log_prob_of_others(X)
    for entry in range(8):
        rest = X.copy()
        rest[:, entry] = np.nan
        np.testing.assert_allclose(
            others[:, entry], composite.log_prob(rest), rtol=1e-10, atol=1e-12
        )
    counts = rng.uniform(size=(30, K))
    summary = composite.summarize_prepared(prepared, counts)
    expected = np.hstack([part.summarize(own, counts) for part, own in blocks])
    np.testing.assert_allclose(summary, expected, rtol=1e-12)
    new = composite.updated(summary, 0.1)
    np.testing.assert_allclose(
        new.parts[1].probs, one.updated(one.summarize(X[:, 2:6], counts), 0.1).probs, rtol=1e-12
    )
    states = rng.integers(K, size=30)
    expected = np.hstack([part.likeliest(own, states) for part, own in blocks])
    assert np.array_equal(composite.likeliest(X, states), expected)
    moments = composite.conditional(np.where(np.arange(8) == 1, np.nan, X), 1)
    np.testing.assert_allclose(
        moments.means, pair.conditional(np.where([0, 1], np.nan, X[:, :2]), 1).means
    )
    gradient = composite.free_gradient(summary)
    assert [g.shape for g in gradient] == [p.shape for p in composite.free_parameters()]
    again = composite.with_free_parameters(composite.free_parameters())
    np.testing.assert_allclose(again.log_prob(X), composite.log_prob(X), rtol=1e-9)


@pytest.mark.parametrize("entries", [[1], [2, 4], [0, 3, 4, 6], [0, 1, 7], [2, 3, 4, 5]])
def test_a_marginal_keeps_parts_together(entries):
    rng = np.random.default_rng(1)
    composite = beside(rng)
    X = np.column_stack(
        [
            rng.normal(size=(20, 2)), rows_for(rng, composite.parts[1], 20, unseen=0.0),
            rng.normal(size=20), rng.choice(2, 20),
        ]
    )  # fmt: skip
    others = np.full_like(X, np.nan)
    others[:, entries] = X[:, entries]
    smaller = composite.marginal(np.array(entries))
    assert smaller.n_columns == len(entries)
    np.testing.assert_allclose(
        smaller.log_prob(X[:, entries]), composite.log_prob(others), rtol=1e-10, atol=1e-12
    )


def test_circuits_of_forests_beside_numbers_are_plain_data():
    rng = np.random.default_rng(2)
    parts = [beside(rng) for _ in range(2)]
    inputs = Inputs.of([np.arange(8)] * 2, parts, K)
    circuit = Circuit(
        np.full(2, -1),
        inputs.features,
        positive(rng, 2 * K),
        np.repeat(np.eye(K)[None], 2, 0),
        inputs,
    )
    X = np.column_stack(
        [
            rng.normal(size=(50, 2)),
            rows_for(rng, parts[0].parts[1], 50),
            rng.normal(size=50),
            rng.choice(2, 50),
        ]
    )
    X[rng.random(X.shape) < 0.2] = np.nan
    data = to_dict(circuit)
    assert data["regions"][0]["kind"] == "gaussian+forest+gaussian+categorical"
    again = pickle.loads(pickle.dumps(from_dict(data)))
    assert np.array_equal(log_likelihood(again, X), log_likelihood(circuit, X))
    scores = log_likelihood(circuit, X)
    for column in (0, 3, 6, 7):
        others = X.copy()
        others[:, column] = np.nan
        np.testing.assert_allclose(
            contributions(circuit, X)[:, column], log_likelihood(circuit, others) - scores,
            rtol=1e-8, atol=1e-10,
        )  # fmt: skip
    for strategy in ("median_mode", "mean_mode", "max_product", "sample"):
        filled = complete(circuit, X, strategy, np.random.RandomState(0))
        assert not np.isnan(filled).any()
        assert np.array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    both = mixture([circuit, again], np.array([0.5, 0.5]))
    np.testing.assert_allclose(log_likelihood(both, X), scores, rtol=1e-11)
    region = data["regions"][0]
    with pytest.raises(ValueError, match="must have 7 columns together; got 8"):
        from_dict(
            {**data, "regions": [{**r, "features": r["features"][:-1]} for r in data["regions"]]}
        )
    with pytest.raises(ValueError, match="at least one for each part"):
        from_dict({**data, "regions": [{**region, "features": [0, 1, 2]}] * 2})
