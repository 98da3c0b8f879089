"""The estimator with Adam and with mini-batches: the promises it makes whatever the solver."""

import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from helpers import rows_of, same_bits, small_case, steps_of
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skpc import SharpPCDensity
from skpc._circuit.circuit import mixture
from skpc._learning.minibatches import deal
from skpc._learning.mstep import MStep
from skpc._learning.solver import Solver

SOLVERS = {
    "em": {"batch_size": 20, "max_iter": 6},
    "em gated": {"batch_size": 20, "max_iter": 6, "regularizer": "gated"},
    "adam": {"solver": "adam", "mu": 0.0, "batch_size": 20, "max_iter": 6},
    "adam with penalty": {"solver": "adam", "mu": 1e-5, "batch_size": 20, "max_iter": 6},
}
each_solver = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())
plain_solver = pytest.mark.parametrize("solver", ["em", "adam"])


def estimator(**parameters):
    return SharpPCDensity(
        **{"n_latents": 3, "tol": 0.0, "early_stopping": False, "random_state": 0, **parameters}
    )


def table(n_rows=90, seed=0):
    """Categories, an integer-valued continuous column, and holes: rows recur."""
    rng = np.random.default_rng(seed)
    latent = rng.integers(0, 3, n_rows)
    X = np.empty((n_rows, 4))
    X[:, 0] = rng.random(n_rows) < 0.2 + 0.3 * latent
    X[:, 1] = (latent + (rng.random(n_rows) < 0.3)) % 3
    X[:, 2] = rng.random(n_rows) < 0.5
    X[:, 3] = rng.integers(-2, 3, n_rows) + 3 * latent
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:20] = X[20:40]
    return X


TYPES = ["categorical", "categorical", "categorical", "gaussian"]


@pytest.fixture(scope="module")
def X():
    return table()


def same_fit(a, b):
    return same_bits(a.circuit_, b.circuit_) and np.array_equal(
        a.log_likelihoods_, b.log_likelihoods_
    )


# --- what decides the result, and what does not ----------------------------------------


@each_solver
def test_integer_weights_are_repetition(solver, X):
    weights = np.random.default_rng(1).integers(1, 4, len(X))
    model = estimator(feature_types=TYPES, **solver)
    weighted = clone(model).fit(X, sample_weight=weights)
    order = np.random.default_rng(2).permutation(weights.sum())
    repeated = clone(model).fit(np.repeat(X, weights, axis=0)[order])
    assert same_fit(weighted, repeated)
    assert not same_fit(weighted, clone(model).fit(X))


@each_solver
def test_a_weight_of_zero_is_absence(solver, X):
    weights = np.random.default_rng(1).uniform(0.2, 3.0, len(X))
    weights[::3] = 0.0
    model = estimator(feature_types=TYPES, **solver)
    weighted = clone(model).fit(X, sample_weight=weights)
    kept = weights > 0
    assert same_fit(weighted, clone(model).fit(X[kept], sample_weight=weights[kept]))


@each_solver
def test_the_order_of_rows_does_not_matter(solver, X):
    weights = np.random.default_rng(1).uniform(0.2, 3.0, len(X))
    order = np.random.default_rng(2).permutation(len(X))
    model = estimator(feature_types=TYPES, **solver)
    one = clone(model).fit(X, sample_weight=weights)
    assert same_fit(one, clone(model).fit(X[order], sample_weight=weights[order]))


@each_solver
def test_threads_do_not_change_bits(solver):
    X = table(400, seed=3)
    model = estimator(feature_types=TYPES, **{**solver, "batch_size": 150, "n_latents": 8})
    one, two = (clone(model).set_params(n_jobs=n).fit(X) for n in (1, 2))
    assert same_fit(one, two)


@each_solver
def test_seeds(solver, X):
    model = estimator(feature_types=TYPES, **solver)
    one = clone(model).fit(X)
    assert same_fit(one, clone(model).fit(X))
    assert not same_fit(one, clone(model).set_params(random_state=1).fit(X))


@plain_solver
def test_a_sparse_table_gives_the_bits_of_the_dense_one(solver, X):
    from scipy.sparse import csr_array

    X = np.nan_to_num(X[:, :3])
    model = estimator(**SOLVERS[solver])
    assert same_fit(clone(model).fit(X), clone(model).fit(csr_array(X)))


# --- what comes out --------------------------------------------------------------------


@each_solver
@pytest.mark.parametrize("structure", ["chow-liu", "rat"])
def test_all_worlds_sum_to_one_and_missing_is_summed_out(solver, structure, X):
    n_components = 2 if structure == "rat" else "auto"
    model = estimator(structure=structure, n_components=n_components, **solver).fit(X[:, :3])
    model.circuit_.check()
    worlds = np.array(list(product([0, 1], [0, 1, 2], [0, 1])), float)
    probabilities = np.exp(model.score_samples(worlds))
    assert probabilities.sum() == pytest.approx(1.0, rel=1e-12)
    holes = np.where(worlds == 1, np.nan, worlds)
    for row, score in zip(holes, model.score_samples(holes), strict=True):
        agree = ((worlds == row) | np.isnan(row)).all(axis=1)
        assert np.exp(score) == pytest.approx(probabilities[agree].sum(), rel=1e-11)


@each_solver
def test_the_density_of_a_continuous_column_integrates_to_one(solver, X):
    model = estimator(feature_types=["gaussian"], **solver).fit(X[:, 3:])
    grid = np.linspace(-60, 70, 40_001)
    density = np.exp(model.score_samples(grid[:, None]))
    assert density.sum() * (grid[1] - grid[0]) == pytest.approx(1.0, rel=1e-6)


@each_solver
def test_learning_learns(solver, X):
    """Better than independent columns, and more so than at the start."""
    settings = {**solver, "max_iter": 60}
    model = estimator(**settings).fit(X[:, :3])
    independent = SharpPCDensity(1, mu=0.0, random_state=0).fit(X[:, :3])
    assert model.score(X[:, :3]) > independent.score(X[:, :3]) + 0.02
    assert model.log_likelihoods_[-1] > model.log_likelihoods_[0] + 0.05


@each_solver
def test_histories(solver, X):
    model = estimator(feature_types=TYPES, **solver).fit(X)
    assert model.n_iter_ == len(model.log_likelihoods_) == 6
    assert not model.converged_
    assert model.validation_log_likelihoods_ is None
    assert model.best_iteration_ is None
    stopped = clone(model).set_params(tol=10.0, early_stopping=False).fit(X)
    assert stopped.converged_
    assert stopped.n_iter_ == 2


def test_only_where_steps_fall_towards_the_end_running_out_of_epochs_is_no_failure(X):
    model, adam = (
        estimator(**SOLVERS[solver], feature_types=TYPES).set_params(
            tol=1e-12, early_stopping=False
        )
        for solver in ("em", "adam")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        assert not adam.fit(X).converged_
    with pytest.warns(ConvergenceWarning, match="max_iter=6 iterations the log-likelihood still"):
        assert not model.fit(X).converged_


@plain_solver
def test_a_fall_between_epochs_is_no_reason_to_warn(solver, X, monkeypatch):
    """Only EM on all rows never falls."""
    steps_of(monkeypatch, 1.0)
    model = estimator(**SOLVERS[solver]).set_params(
        mu=0.0, pseudocount=0.0, batch_size=3, max_iter=30
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X[:, :3])
    assert np.diff(model.log_likelihoods_).min() < 0


@each_solver
def test_early_stopping_keeps_the_best(solver, X):
    X_val = table(60, seed=1)
    X_val[0, 1] = 7.0  # never seen in training
    settings = {**solver, "max_iter": 40}
    model = estimator(feature_types=TYPES, **settings).set_params(tol=1e-3)
    model.fit(X, X_val=X_val)
    scores = model.validation_log_likelihoods_
    assert len(scores) == model.n_iter_ + 1
    assert model.best_iteration_ == np.argmax(scores) > 0
    assert model.score(X_val) == pytest.approx(scores.max(), rel=1e-12)


@each_solver
def test_rows_are_held_out(solver, X):
    model = estimator(feature_types=TYPES, early_stopping=True, **solver).fit(X)
    n_iter = len(model.validation_run_log_likelihoods_)
    assert len(model.validation_log_likelihoods_) == n_iter + 1
    assert model.n_iter_ == len(model.log_likelihoods_) == max(1, model.best_iteration_)
    whole = estimator(feature_types=TYPES, **solver).fit(X)
    parts = model.validation_run_log_likelihoods_, whole.log_likelihoods_
    assert not np.array_equal(*parts)


@plain_solver
def test_float32_messages_change_little(solver, X):
    model = estimator(feature_types=TYPES, **SOLVERS[solver])
    double, single = (clone(model).set_params(dtype=d).fit(X) for d in ("float64", "float32"))
    assert not same_bits(double.circuit_, single.circuit_)
    np.testing.assert_allclose(single.log_likelihoods_, double.log_likelihoods_, rtol=1e-4)
    assert single.score(X) == pytest.approx(double.score(X), rel=1e-3)


def test_adam_with_a_penalty_has_float64_messages(X):
    model = estimator(feature_types=TYPES, **SOLVERS["adam with penalty"])
    with pytest.raises(ValueError, match="dtype='float32' is not for solver='adam' with a pen"):
        clone(model).set_params(dtype="float32").fit(X)


@each_solver
def test_warm_start_goes_on(solver, X, monkeypatch):
    model = estimator(feature_types=TYPES, **solver).set_params(warm_start=True).fit(X)
    first, score = model.log_likelihoods_, model.score(X)
    steps_of(monkeypatch, 1e-12)
    model.set_params(max_iter=1).fit(X)
    # By Adam a step of next to nothing leaves the circuit; EM's first step is one.
    assert model.log_likelihoods_[0] > first[0] + 0.01
    if "solver" in solver:
        assert model.log_likelihoods_[0] == pytest.approx(score, rel=1e-9)
        assert model.score(X) == pytest.approx(score, rel=1e-9)


@each_solver
def test_the_best_of_several_starts_is_kept(solver, X):
    model = estimator(feature_types=TYPES, **solver)
    one, best = (clone(model).set_params(n_init=n).fit(X) for n in (1, 4))
    assert best.log_likelihoods_[-1] >= one.log_likelihoods_[-1]
    assert not same_fit(one, best)


@each_solver
def test_mixtures_of_trees(solver, X):
    model = estimator(n_components=2, **solver).fit(X[:, :3])
    model.circuit_.check()
    assert len(model.circuit_.roots) == 2
    assert np.isfinite(model.log_likelihoods_).all()


@pytest.mark.parametrize(("mu", "by_row"), [(0.0, False), (1e-5, True)])
def test_only_adam_with_a_penalty_takes_rows_one_by_one(mu, by_row):
    circuit, X, weights = small_case(1)
    solver = Solver(MStep(mu), 1, 0.0, kind="adam", batch_size=9)
    evidence = circuit.inputs.encode(X)
    rows = rows_of(evidence, weights, circuit.features, circuit.inputs.categories)
    learn = solver.bind(circuit, rows, np.random.RandomState(0))
    n_rows = sum(len(rows) for rows, _ in deal(weights, 9, np.random.RandomState(0)))
    batches = learn.keywords["batches"]
    n_patterns = sum(
        patterns.n_patterns.sum()
        for i in range(len(batches))
        for _, _, patterns in batches.blocks(i)
    )
    assert (n_patterns == n_rows * circuit.n_regions) == by_row


def test_a_batch_size_beyond_the_table_is_all_rows(X):
    model = estimator(feature_types=TYPES, max_iter=4)
    one, two = (clone(model).set_params(batch_size=n).fit(X) for n in (90, 10**9))
    assert same_fit(one, two)


@pytest.mark.parametrize(
    ("kind", "batch_size", "expected"), [("em", None, 500), ("em", 20, 100), ("adam", 20, 60)]
)
def test_how_long_learning_lasts_at_most(kind, batch_size, expected):
    solver = Solver(MStep(), None, 0.0, kind=kind, batch_size=batch_size)
    assert solver.resolved(np.ones(90)).max_iter == expected
    assert replace(solver, max_iter=7).resolved(np.ones(90)).max_iter == 7


def test_adam_has_batches_of_256_rows(X):
    X = np.repeat(X, 8, axis=0)
    model = estimator(feature_types=TYPES, solver="adam", mu=0.0, max_iter=2)
    assert same_fit(clone(model).fit(X), clone(model).set_params(batch_size=256).fit(X))
    assert not same_fit(clone(model).fit(X), clone(model).set_params(batch_size=720).fit(X))


# --- odd tables ------------------------------------------------------------------------


def all_missing_rows():
    X = table(40)
    X[::4] = np.nan
    return X


ODD = {
    "one state": (table(40), {"n_latents": 1}),
    "one column": (table(40)[:, :1], {"feature_types": "auto"}),
    "one continuous column": (table(40)[:, 3:], {"feature_types": "gaussian"}),
    "one row": (np.array([[1.0, 0.0, 1.0, 5.5]]), {}),
    "rows of nothing": (all_missing_rows(), {}),
    "constant columns": (np.tile([1.0, 0.0, 2.0, 1e6], (40, 1)), {}),
    "far from zero": (table(40) + np.array([0, 0, 0, 1e9]), {}),
    "tiny batches": (table(40), {"batch_size": 1}),
}
each_odd = pytest.mark.parametrize(("X", "changes"), ODD.values(), ids=ODD.keys())


@each_solver
@each_odd
def test_odd_tables(solver, X, changes):
    model = estimator(**{"feature_types": TYPES, **solver, **changes}).fit(X)
    model.circuit_.check()
    assert np.isfinite(model.log_likelihoods_).all()
    assert np.isfinite(model.score_samples(X)).all()
    assert model.score(X) > model.log_likelihoods_[0] - 0.5
    missing = np.full((1, X.shape[1]), np.nan)
    assert model.score_samples(missing)[0] == 0.0


@each_solver
def test_very_unequal_weights(solver, X):
    weights = np.where(np.arange(len(X)) % 7, 1e-12, 1.0)
    weights[3] = 300.0
    model = estimator(feature_types=TYPES, **solver).fit(X, sample_weight=weights)
    model.circuit_.check()
    assert np.isfinite(model.score_samples(X)).all()
    assert model.score(X, sample_weight=weights) > model.log_likelihoods_[0]


# --- what is refused -------------------------------------------------------------------


REFUSED = [
    ({"update": "cubic", "batch_size": 20}, "update='cubic' needs EM on all rows"),
    ({"update": "cubic", "batch_size": np.int64(20)}, "update='cubic' needs EM on all rows"),
    ({"update": "cubic", "solver": "adam"}, "update='cubic' needs EM on all rows"),
    ({"regularizer": "gated", "solver": "adam"}, "regularizer='gated' is a form of EM's update"),
    ({"batch_size": 0}, r"'batch_size' parameter"),
    ({"batch_size": 20.5}, r"'batch_size' parameter"),
    ({"solver": "sgd"}, r"'solver' parameter"),
]


@pytest.mark.parametrize(("parameters", "message"), REFUSED)
def test_what_does_not_go_together_is_refused(parameters, message, X):
    model = estimator(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(X)
    assert not hasattr(model, "circuit_")


@plain_solver
def test_more_batches_than_can_be_gone_through_are_refused(solver, X):
    model = estimator(**SOLVERS[solver])
    with pytest.raises(ValueError, match=r"batch_size=20 makes \d+ batches"):
        model.fit(X, sample_weight=np.full(len(X), 1e9))


@pytest.mark.parametrize("solver", ["em", "adam"])
@pytest.mark.parametrize(("n_distinct", "total"), [(40, 1e9), (600, 1e9), (600, 6e5), (3, 1e6)])
def test_batches_of_population_counts_visit_each_distinct_row_a_few_times(
    solver, n_distinct, total
):
    weights = np.random.default_rng(0).gamma(0.5, size=n_distinct)
    weights *= total / weights.sum()
    batch_size = (
        Solver(MStep(), None, 1e-4, kind=solver, batch_size="auto").resolved(weights).batch_size
    )
    if batch_size is not None:
        batches = deal(weights, batch_size, np.random.RandomState(0))
        assert len(batches) >= 2
        assert sum(len(rows) for rows, _ in batches) <= 10 * n_distinct


@pytest.mark.parametrize(("solver", "expected"), [("em", 100), ("adam", 256)])
def test_batches_of_mostly_distinct_rows_are_of_the_usual_size(solver, expected):
    for n_copies in (1.0, 2.0, 10.0):
        weights = np.full(int(8000 / n_copies), n_copies)
        found = Solver(MStep(), None, 1e-4, kind=solver, batch_size="auto").resolved(weights)
        assert found.batch_size == expected


def test_few_rows_are_dealt_to_smaller_batches_and_very_few_to_none():
    solver = Solver(MStep(), None, 1e-4, batch_size="auto")
    sizes = [solver.resolved(np.ones(n)).batch_size for n in (499, 500, 4999, 5000, 50_000)]
    assert sizes == [None, 50, 50, 100, 200]
    assert solver.resolved(np.full(499, 10.0)).is_full


def test_trees_of_a_mixture_learn_by_smaller_steps():
    one, X, weights = small_case(0)
    for circuit, expected in ((one, 0.5), (mixture([one, one], np.ones(2)), 0.3)):
        solver = Solver(MStep(), 1, 0.0, batch_size=float(weights.sum()) / 3)
        rows = rows_of(circuit.inputs.encode(X), weights)
        learn = solver.bind(circuit, rows, np.random.RandomState(0))
        assert learn.keywords["step_size"] == pytest.approx(expected)


def test_epochs_on_population_counts_cost_what_those_on_rows_do():
    X = np.random.default_rng(0).integers(0, 2, (40, 4)).astype(float)
    model = estimator(solver="adam", max_iter=2).fit(X, sample_weight=np.full(40, 2.5e7))
    assert np.isfinite(model.score(X))


def test_a_mixture_without_edges_learns_from_all_rows_at_once():
    solver, weights = Solver(MStep(), None, 1e-4, batch_size="auto"), np.ones(20_000)
    assert solver.resolved(weights).batch_size is not None
    assert solver.resolved(weights, has_edges=False).is_full
    assert not replace(solver, batch_size=50).resolved(weights, has_edges=False).is_full
    X = np.random.default_rng(0).normal(size=(6000, 1)) + np.zeros(3)
    X += 0.1 * np.random.default_rng(1).normal(size=X.shape)
    for n_latents in "auto", 2:
        found = SharpPCDensity(n_latents, random_state=0, max_iter=3).fit(X)
        whole = SharpPCDensity(n_latents, random_state=0, max_iter=3, batch_size=None).fit(X)
        assert found.circuit_.n_regions == 1
        np.testing.assert_array_equal(found.log_likelihoods_, whole.log_likelihoods_)
        np.testing.assert_array_equal(found.score_samples(X), whole.score_samples(X))
