"""Early stopping: which rows are held out, when EM ends, which circuit is kept."""

import re
import warnings

import numpy as np
import pandas
import pytest
from helpers import Kept, same_bits
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skpc import SharpPCDensity
from skpc._learning.held_out import fold_weights, held_out_weights
from skpc._learning.progress import Progress

# --- which rows ------------------------------------------------------------------------


def weights_of_kind(kind, n=40, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "ones": np.ones(n),
        "integer": rng.integers(1, 50, n).astype(float),
        "fractional": rng.uniform(0.01, 3.0, n),
        "tiny": rng.uniform(1e-9, 1e-7, n),
        "huge": rng.uniform(1e15, 1e18, n),
    }[kind]


kinds = pytest.mark.parametrize("kind", ["ones", "integer", "fractional", "tiny", "huge"])


@kinds
def test_both_parts_make_up_each_weight_exactly(kind):
    weights = weights_of_kind(kind)
    held_out = held_out_weights(weights, 0.3, 0)
    assert (held_out >= 0).all()
    assert (held_out <= weights).all()
    assert np.array_equal((weights - held_out) + held_out, weights)


@kinds
def test_a_row_gives_the_fraction_of_its_weight_on_average(kind):
    weights = weights_of_kind(kind)
    draws = np.array([held_out_weights(weights, 0.3, seed) for seed in range(2000)])
    # Each of a row's units is drawn with probability 0.3 to rounding; 5 standard errors.
    n_units = np.ceil(weights / (1 if kind != "huge" else weights.max() / 1e7))
    error = 5 * np.sqrt(0.21 / np.maximum(n_units, 1) / 2000) + 0.01
    assert (np.abs(draws.mean(axis=0) / weights - 0.3) < error).all()


@pytest.mark.parametrize("kind", ["ones", "integer"])
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.77])
def test_as_many_rows_are_held_out_as_were_asked_for(kind, fraction):
    weights = weights_of_kind(kind)
    held_out = held_out_weights(weights, fraction, 3)
    assert held_out.sum() == round(fraction * weights.sum())
    assert np.array_equal(held_out, np.floor(held_out))


def test_holding_out_is_drawing_rows_without_replacement():
    """Two rows of weight three, two units drawn: 0, 1 or 2 of the first as counted by hand."""
    first = [held_out_weights(np.array([3.0, 3.0]), 1 / 3, seed)[0] for seed in range(3000)]
    shares = np.bincount(np.array(first, int), minlength=3) / 3000
    np.testing.assert_allclose(shares, [3 / 15, 9 / 15, 3 / 15], atol=0.04)


@kinds
@pytest.mark.parametrize("n_folds", [2, 5])
def test_folds_make_up_each_weight(kind, n_folds):
    weights = weights_of_kind(kind)
    folds = fold_weights(weights, n_folds, 0)
    assert folds.shape == (n_folds, 40)
    assert (folds >= 0).all()
    np.testing.assert_allclose(folds.sum(axis=0), weights, rtol=1e-12)
    assert (folds.sum(axis=1) > 0).all()


def test_folds_are_a_partition_of_rows():
    """As many units each, or one more; each unit of a row in any fold with equal chances."""
    weights = weights_of_kind("integer")
    folds = np.array([fold_weights(weights, 5, seed) for seed in range(500)])
    assert np.array_equal(folds, np.floor(folds))
    assert np.ptp(folds.sum(axis=2)) <= 1
    assert not np.array_equal(folds[0], folds[1])
    # Five standard errors of the mean of binomial draws with a chance of one fifth.
    error = 5 * np.sqrt(0.16 * weights / 500)
    assert (np.abs(folds.mean(axis=0) - weights / 5) < error).all()


def test_rows_that_are_whole_are_held_out_as_a_whole():
    weights = weights_of_kind("integer")
    is_whole = np.arange(40) % 2 == 0
    held_out = held_out_weights(weights, 0.3, 0, is_whole)
    assert np.isin(held_out[is_whole], [0.0, *weights]).all()
    assert ((held_out == 0) | (held_out == weights))[is_whole].all()
    assert not ((held_out == 0) | (held_out == weights))[~is_whole].all()
    folds = fold_weights(weights, 5, 0, is_whole)
    assert ((folds == 0) | (folds == weights))[:, is_whole].all()
    assert np.array_equal(folds.sum(axis=0), weights)
    ones, none = np.ones(40), np.zeros(40, bool)
    assert np.array_equal(fold_weights(ones, 5, 0, ~none), fold_weights(ones, 5, 0))


def test_copies_of_rows_of_measurements_do_not_judge_each_other():
    """Five copies of every row tell nothing of how many states there should be."""
    X = np.random.default_rng(0).normal(size=(120, 2))
    X[:, 1] += 0.5 * X[:, 0]
    new = np.random.default_rng(1).normal(size=(400, 2))
    new[:, 1] += 0.5 * new[:, 0]
    once = SharpPCDensity(random_state=0).fit(X).score(new)
    often = SharpPCDensity(random_state=0).fit(np.repeat(X, 5, axis=0)).score(new)
    assert often > once - 0.1


def test_there_are_no_more_folds_than_units():
    assert fold_weights(np.array([2.0, 1.0]), 5, 0).shape == (3, 2)
    assert fold_weights(np.array([0.5]), 5, 0).tolist() == [[0.5]]


def test_the_seed_decides_what_is_held_out():
    weights = weights_of_kind("integer")
    first, again, other = (held_out_weights(weights, 0.3, seed) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("fraction", [1e-9, 0.1, 0.9, 1 - 1e-9])
@pytest.mark.parametrize("weights", [[2.0], [1.5], [1.0, 1.0], [0.1, 0.2], [1e-90, 1e90]])
def test_neither_part_is_ever_empty(weights, fraction):
    weights = np.array(weights)
    for seed in range(20):
        held_out = held_out_weights(weights, fraction, seed)
        assert held_out.sum() > 0
        assert (weights - held_out).sum() > 0


# --- when ------------------------------------------------------------------------------


def scripted(scores, **options):
    """Updates until told to stop, the circuits being numbers from 0."""
    progress = Progress(0, validation=lambda i: scores[i], **{"tol": 0.0, **options})
    for i in range(1, len(scores)):
        if progress.update(i, -1.0):
            break
    return progress.result()


@pytest.mark.parametrize("n_iter_no_change", [1, 2, 3, 5])
def test_iterations_without_change_are_counted_exactly(n_iter_no_change):
    scores = [-9.0, -5.0, -3.0, *[-4.0] * 10]  # best after two
    result = scripted(scores, n_iter_no_change=n_iter_no_change)
    assert result.converged
    assert len(result.log_likelihoods) == 2 + n_iter_no_change
    assert result.validation_log_likelihoods.tolist() == scores[: 3 + n_iter_no_change]
    assert result.circuit == result.best_iteration == 2


def test_an_improvement_begins_the_count_anew():
    result = scripted([-5, -6, -6, -4, -6, -6, -6, -6], n_iter_no_change=3)
    assert len(result.log_likelihoods) == 6
    assert result.best_iteration == 3


def test_a_gain_of_no_more_than_tol_is_none_but_is_kept():
    scores = [-5.0, -4.75, *[-4.5] * 9]
    result = scripted(scores, n_iter_no_change=2, tol=0.5)
    assert len(result.log_likelihoods) == 2
    assert result.best_iteration == 2
    assert len(scripted(scores, n_iter_no_change=2, tol=0.4375).log_likelihoods) == 3


def test_what_creeps_far_below_its_target_is_left():
    scores = [-9.0, -6.0, -4.0, *(-3.0 + 0.03125 * np.arange(40.0))]
    assert not scripted(scores, n_iter_no_change=2).converged
    result = scripted(scores, n_iter_no_change=2, target=-1.0)
    assert len(result.log_likelihoods) == 5  # -2.9375, by 0.0625 in two: ten times more is too few
    assert result.best_iteration == 5
    assert not scripted(scores, n_iter_no_change=2, target=-2.375).converged


def test_small_gains_that_add_up_beyond_tol_go_on():
    result = scripted(-np.arange(20, 0, -0.5), n_iter_no_change=3, tol=1.0)
    assert not result.converged
    assert len(result.log_likelihoods) == 39


def test_of_equal_circuits_the_earliest_is_kept():
    assert scripted([-5, -4, -4, -4, -4], n_iter_no_change=3).best_iteration == 1


def test_impossible_rows_do_not_keep_learning_alive():
    result = scripted([-np.inf] * 9, n_iter_no_change=3)
    assert result.converged
    assert len(result.log_likelihoods) == 3


# --- the estimator ---------------------------------------------------------------------


def binary_rows(n_rows=60, n_features=5, seed=0):
    rng = np.random.default_rng(seed)
    latent = rng.integers(0, 2, n_rows)
    return (rng.random((n_rows, n_features)) < 0.2 + 0.6 * latent[:, None]).astype(int)


CHAIN = [1, 2, -1, 2, 3]


def mixed_rows(n_rows=60, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([binary_rows(n_rows, 3, seed), rng.normal(size=(n_rows, 2))])
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def stopped(*, refit=False, **parameters):
    defaults = {"n_latents": 3, "mu": 0.01, "max_iter": 200, "random_state": 0}
    defaults |= {"early_stopping": True, "init": "random"}
    kind = SharpPCDensity if refit else Kept
    return kind(**{**defaults, **parameters})


def validated(**parameters):
    """For rows that are given to validate on, or a warm start: nothing is held out to refit on."""
    return stopped(refit=True, **parameters)


def same_fit(a, b):
    return (
        same_bits(a.circuit_, b.circuit_)
        and np.array_equal(a.log_likelihoods_, b.log_likelihoods_)
        and np.array_equal(a.validation_log_likelihoods_, b.validation_log_likelihoods_)
    )


tables = pytest.mark.parametrize("X", [binary_rows(), mixed_rows()], ids=["binary", "mixed"])
refits = pytest.mark.parametrize("refit", [False, True])


@tables
@refits
def test_weights_are_repetitions_and_order_does_not_matter(X, refit):
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 4, len(X))
    repeated = np.repeat(X, weights, axis=0)
    model = stopped(refit=refit).fit(X, sample_weight=weights)
    order = rng.permutation(len(repeated))
    assert same_fit(stopped(refit=refit).fit(repeated[order]), model)
    order = rng.permutation(len(X))
    assert same_fit(stopped(refit=refit).fit(X[order], sample_weight=weights[order]), model)


def test_weights_of_validation_rows_are_repetitions_too():
    X, X_val = mixed_rows(), mixed_rows(40, seed=1)
    weights = np.random.default_rng(1).integers(0, 4, len(X_val))
    model = validated().fit(X, X_val=X_val, sample_weight_val=weights)
    repeated = np.repeat(X_val, weights, axis=0)[::-1]
    assert same_fit(validated().fit(X, X_val=repeated), model)
    assert not same_fit(validated().fit(X, X_val=X_val), model)


@tables
def test_the_model_is_the_best_of_those_that_were_scored(X):
    X_val = X[::3]
    model = validated(max_iter=60, mu=0.0).fit(X[1::3], X_val=X_val)
    scores = model.validation_log_likelihoods_
    assert len(scores) == model.n_iter_ + 1 == len(model.log_likelihoods_) + 1
    assert model.best_iteration_ == np.argmax(scores)
    assert 0 < model.best_iteration_ < model.n_iter_
    assert model.score(X_val) == pytest.approx(scores.max(), rel=1e-12)


@tables
def test_histories_are_of_the_same_circuits(X):
    full = validated(max_iter=8, tol=0.0, n_iter_no_change=50).fit(X, X_val=X)
    # The training rows again: the same likelihoods, but for the circuit behind the last update.
    np.testing.assert_allclose(
        full.validation_log_likelihoods_[:-1], full.log_likelihoods_, rtol=1e-12
    )
    for n_iter in 1, 4:
        plain = validated(max_iter=n_iter, tol=0.0, early_stopping=False).fit(X)
        assert full.validation_log_likelihoods_[n_iter] == pytest.approx(plain.score(X), rel=1e-12)


def test_validation_weights_weigh():
    X, X_val = binary_rows(), binary_rows(30, seed=1)
    weights = np.linspace(0, 2, 30)
    model = validated().fit(X, X_val=X_val, sample_weight_val=weights)
    expected = model.score(X_val, sample_weight=weights)
    assert model.validation_log_likelihoods_.max() == pytest.approx(expected, rel=1e-12)
    assert abs(model.score(X_val) - expected) > 1e-3


def test_validation_in_blocks_is_the_same():
    X, X_val = mixed_rows(400), mixed_rows(300, seed=1)
    model = validated(max_iter=5).fit(X, X_val=X_val)
    with config_context(working_memory=0.02):
        blocks = validated(max_iter=5).fit(X, X_val=X_val)
    np.testing.assert_allclose(
        blocks.validation_log_likelihoods_, model.validation_log_likelihoods_, rtol=1e-9
    )


def test_rows_held_out_teach_nothing():
    """One row of zero among ones: held out, it has no mass in the end."""
    X = np.array([[0.0], *[[1.0]] * 3])
    seen = []
    for seed in range(20):
        model = stopped(n_latents=1, pseudocount=0.0, early_stopping=0.25, random_state=seed)
        model.fit(X)
        is_held_out = model.validation_log_likelihoods_[-1] < -50
        expected = 0.0 if is_held_out else np.log(1 / 3) / 3 + 2 * np.log(2 / 3) / 3
        assert model.log_likelihoods_[-1] == pytest.approx(expected, abs=1e-12)
        seen.append(is_held_out)
    assert 0 < sum(seen) < 20


def test_the_tree_is_learnt_from_training_rows_alone(monkeypatch):
    import skpc._learning.initialisation

    X, totals = mixed_rows(), []
    learn_structure = skpc._learning.initialisation.learn_structure

    def recorded(rows, *args, **kwargs):
        totals.append((len(rows), rows.total_weight))
        return learn_structure(rows, *args, **kwargs)

    monkeypatch.setattr("skpc._learning.initialisation.learn_structure", recorded)
    stopped(early_stopping=0.25, refit=True).fit(X)
    assert totals == [(45, 45)]


def after_the_split(seed):
    """The generator as it is once the rows to hold out are drawn."""
    random_state = np.random.RandomState(seed)
    random_state.randint(np.iinfo(np.int32).max)
    return random_state


@pytest.mark.parametrize("n_init", [1, 3])
def test_refit_learns_from_all_rows_as_long_as_was_best(n_init):
    X = binary_rows(100)
    parameters = {"n_init": n_init, "structure": CHAIN}
    kept = stopped(**parameters).fit(X)
    model = stopped(**parameters, refit=True).fit(X)
    assert model.best_iteration_ == kept.best_iteration_ > 1
    assert np.array_equal(model.validation_log_likelihoods_, kept.validation_log_likelihoods_)
    if n_init == 1:
        plain = {"early_stopping": False, "tol": 0.0, "max_iter": model.best_iteration_}
        plain |= {"structure": CHAIN, "random_state": after_the_split(0)}
        assert same_bits(model.circuit_, stopped(**plain).fit(X).circuit_)
    assert not same_bits(model.circuit_, kept.circuit_)


@pytest.mark.parametrize("parameters", [{}, {"batch_size": 20, "max_iter": 90}, {"n_init": 2}])
def test_after_a_refit_histories_are_of_the_run_that_led_to_the_circuit(parameters):
    X = binary_rows(100)
    kept = stopped(**parameters, structure=CHAIN).fit(X)
    model = stopped(**parameters, structure=CHAIN, refit=True).fit(X)
    run, scores = model.validation_run_log_likelihoods_, model.validation_log_likelihoods_
    assert np.array_equal(run, kept.log_likelihoods_)
    assert len(run) == len(scores) - 1 == kept.n_iter_
    assert kept.validation_run_log_likelihoods_ is kept.log_likelihoods_
    assert model.n_iter_ == max(1, model.best_iteration_) < kept.n_iter_
    assert model.log_likelihoods_.shape == (model.n_iter_,)
    assert model.converged_ == kept.converged_
    if not parameters:
        # One more update from there would begin with the likelihood of the circuit.
        longer = validated(
            early_stopping=False, tol=0.0, max_iter=model.n_iter_ + 1, structure=CHAIN,
            random_state=after_the_split(0),
        ).fit(X)  # fmt: skip
        assert np.array_equal(model.log_likelihoods_, longer.log_likelihoods_[:-1])
        assert model.score(X) == pytest.approx(longer.log_likelihoods_[-1], rel=1e-12)


def test_without_early_stopping_no_run_is_validated():
    assert (
        validated(early_stopping=False).fit(binary_rows()).validation_run_log_likelihoods_ is None
    )


def test_tol_does_not_decide_on_early_stopping_nor_on_the_penalty():
    X = binary_rows(100)
    parameters = {"early_stopping": "auto", "mu": None, "refit": True, "max_iter": 60}
    exact, default = (stopped(**parameters, tol=tol).fit(X) for tol in (0.0, 1e-4))
    assert exact.best_iteration_ is not None
    assert exact.mu_ == default.mu_ == 0.0


def test_refit_takes_the_start_that_was_best():
    X, best = binary_rows(100), set()
    for seed in range(6):
        parameters = {"random_state": seed, "n_init": 3, "structure": CHAIN}
        model = stopped(**parameters, refit=True).fit(X)
        plain = {"early_stopping": False, "tol": 0.0, "max_iter": max(1, model.best_iteration_)}
        plain |= {"structure": CHAIN, "random_state": after_the_split(seed)}
        # Categorical starts are drawn alike, whatever the rows: so which one it was shows.
        again = [stopped(**plain).fit(X).circuit_ for _ in range(3)]
        same = [same_bits(model.circuit_, circuit) for circuit in again]
        assert sum(same) == 1
        best.add(same.index(True))
    assert len(best) > 1


def test_rows_given_to_validate_on_are_never_learnt_from():
    X, X_val = binary_rows(), binary_rows(40, seed=1)
    model = validated().fit(X, X_val=X_val)
    assert model.score(X_val) == pytest.approx(max(model.validation_log_likelihoods_), rel=1e-12)
    assert model.validation_run_log_likelihoods_ is model.log_likelihoods_


def test_auto_stops_early_where_it_can_be_of_use():
    def stops(n_rows=60, **parameters):
        parameters = {"early_stopping": "auto", "max_iter": 3, "refit": True, **parameters}
        model = stopped(**parameters).fit(binary_rows(n_rows))
        return model.best_iteration_ is not None

    assert stops()
    assert stops(10)
    assert not stops(9)
    assert stops(tol=0.0)
    assert not stops(n_latents=1)
    assert not stops(warm_start=True)


def test_refit_takes_a_held_out_part_back():
    X = binary_rows(200)
    model = stopped(refit=True).fit(X)
    root = model.circuit_.root_weights
    assert root.sum() == pytest.approx(1.0)
    # One state: the fit is the frequencies, of all rows or of those that were left.
    one, part = (stopped(n_latents=1, pseudocount=0.0, refit=r).fit(X) for r in (True, False))
    np.testing.assert_allclose([i.probs[1, 0] for i in one.circuit_.inputs], X.mean(axis=0))
    assert abs(part.circuit_.inputs[0].probs[1, 0] - X[:, 0].mean()) > 1e-4


def test_the_start_that_is_best_on_validation_wins():
    X, X_val = binary_rows(40, 8), binary_rows(200, 8, seed=1)
    parameters = {"max_iter": 40, "n_latents": 6, "mu": 0.0}
    random_state = np.random.RandomState(0)
    single = [
        validated(**parameters, random_state=random_state).fit(X, X_val=X_val) for _ in range(5)
    ]
    scores = [model.validation_log_likelihoods_.max() for model in single]
    model = validated(**parameters, n_init=5).fit(X, X_val=X_val)
    assert same_fit(model, single[int(np.argmax(scores))])
    in_training = [model.log_likelihoods_[-1] for model in single]
    assert np.argmax(scores) != np.argmax(in_training)


@pytest.mark.parametrize(
    "parameters",
    [
        {"structure": CHAIN},
        {"structure": CHAIN, "n_init": 2},
        {"structure": CHAIN, "batch_size": 20, "max_iter": 20},
        {"n_components": 2, "init": "cluster"},
        {"regularizer": "gated"},
    ],
)
@pytest.mark.slow
@pytest.mark.parametrize("given", [False, True])
def test_few_rows_are_penalised_unless_the_validation_rows_lose(given, parameters):
    chosen = set()
    for seed in range(16):
        X = binary_rows(80, seed=seed)
        validation = {"X_val": binary_rows(10, seed=50 + seed)} if given else {}
        model = stopped(refit=True, **parameters)
        ours = clone(model).set_params(mu=None).fit(X, **validation)
        plain, penalised = (
            clone(model).set_params(mu=mu).fit(X, **validation) for mu in (0.0, 0.01)
        )
        scores = [m.validation_log_likelihoods_.max() for m in (plain, penalised)]
        best = plain if scores[0] > scores[1] else penalised
        assert ours.mu_ == best.mu_ == best.mu
        assert ours.validation_log_likelihoods_.max() == max(scores)
        assert same_bits(ours.circuit_, best.circuit_)
        chosen.add(ours.mu_)
    assert chosen == {0.0, 0.01}


@pytest.mark.parametrize(
    ("n_rows", "parameters", "expected"),
    [
        (1200, {}, 0.01),
        (999, {"early_stopping": False}, 0.01),
        (9, {"early_stopping": "auto"}, 0.01),
        (1200, {"multiplier": "exact"}, 1e-4),
        (60, {"solver": "adam"}, 0.0),
        (60, {"mu": 0.07}, 0.07),
        (60, {"mu": 0}, 0.0),
    ],
)
def test_the_penalty_if_there_is_no_choice(n_rows, parameters, expected):
    X = binary_rows(n_rows)
    model = validated(max_iter=3, **{"mu": None, **parameters})
    assert clone(model).fit(X).mu_ == expected
    assert same_bits(
        clone(model).fit(X).circuit_, clone(model).set_params(mu=expected).fit(X).circuit_
    )


def test_rows_are_counted_by_weight_for_the_penalty():
    X, weights = binary_rows(100), np.full(100, 12.0)
    assert stopped(mu=None, max_iter=3).fit(X, sample_weight=weights).mu_ == 0.01


def test_early_stopping_keeps_a_large_model_from_overfitting():
    rng = np.random.default_rng(0)
    latent = rng.integers(0, 3, 1100)
    probs = rng.random((3, 30))
    X = (rng.random((1100, 30)) < probs[latent]).astype(int)
    train, test = X[:100], X[100:]
    parameters = {"n_latents": 16, "mu": 0.0, "tol": 0.0, "max_iter": 500}
    plain = validated(**parameters, early_stopping=False).fit(train)
    model = stopped(**parameters).fit(train)
    assert model.n_iter_ < 100
    assert model.score(test) > plain.score(test) + 2.0
    assert stopped(**parameters, refit=True).fit(train).score(test) > plain.score(test) + 2.0


def test_validation_rows_turn_early_stopping_on():
    X, X_val = binary_rows(), binary_rows(40, seed=1)
    off = validated(early_stopping=False)
    assert same_fit(off.fit(X, X_val=X_val), validated().fit(X, X_val=X_val))
    assert off.fit(X, X_val=X_val).log_likelihoods_[0] == pytest.approx(
        clone(off).fit(X).log_likelihoods_[0], rel=1e-12
    )  # nothing was held out


def test_without_early_stopping_there_is_no_validation():
    model = validated(early_stopping=False).fit(binary_rows(), X_val=binary_rows(20))
    model.fit(binary_rows())
    assert model.validation_log_likelihoods_ is None
    assert model.best_iteration_ is None


@pytest.mark.parametrize("form", [np.float32, np.int64, list, csr_array, "F"])
def test_the_form_of_validation_rows_does_not_matter(form):
    X, X_val = binary_rows(), binary_rows(30, seed=1)
    expected = validated().fit(X, X_val=X_val)
    if form is list:
        given = X_val.tolist()
    elif form == "F":
        given = np.asfortranarray(X_val)
    else:
        given = csr_array(X_val) if form is csr_array else X_val.astype(form)
    assert same_fit(validated().fit(X, X_val=given), expected)
    assert same_fit(validated().fit(csr_array(X), X_val=given), expected)


def test_validation_rows_with_missing_values_and_new_categories():
    X, X_val = mixed_rows(), mixed_rows(40, seed=1)
    X_val[3, 0], X_val[4] = 7, np.nan
    model = validated().fit(X, X_val=X_val)
    assert model.validation_log_likelihoods_.max() == pytest.approx(model.score(X_val), rel=1e-12)
    refitted = validated().fit(X, X_val=X_val)
    assert np.isfinite(refitted.score(X_val))
    assert np.array_equal(refitted.categories_[0], [0.0, 1.0])


def label_frame(n_rows, seed):
    X = binary_rows(n_rows, 3, seed)
    return pandas.DataFrame(
        {"a": np.array(["no", "yes"])[X[:, 0]], "b": X[:, 1], "c": X[:, 2] + 0.5}
    )


def test_validation_frames():
    frame, other = label_frame(60, 0), label_frame(30, 1)
    model = validated().fit(frame, X_val=other)
    assert model.validation_log_likelihoods_.max() == pytest.approx(model.score(other), rel=1e-12)
    other.loc[0, "a"] = "perhaps"
    assert np.isfinite(validated().fit(frame, X_val=other).validation_log_likelihoods_).all()
    with pytest.raises(ValueError, match=r"^X_val.*feature names"):
        validated().fit(frame, X_val=other[["b", "a", "c"]])


@pytest.mark.parametrize(
    ("X_val", "weights", "message"),
    [
        (binary_rows(30, 4), None, "^X_val.*4 features.*expecting 5"),
        (np.full((3, 5), np.inf), None, "^X_val.*infinity"),
        (np.full((3, 5), "red"), None, "^X_val.*'red' in row 0, column 0"),
        (np.empty((0, 5)), None, "^X_val.*X has 0 rows, of 5"),
        (binary_rows(30), np.ones(29), "^sample_weight_val.*shape"),
        (binary_rows(30), -np.ones(30), r"^sample_weight_val.*-1\.0 in row 0"),
        (binary_rows(30), np.zeros(30), "^sample_weight_val.*(?i:zero)"),
        (None, np.ones(30), "sample_weight_val.*X_val, which is None"),
    ],
)
def test_errors_name_the_validation_rows(X_val, weights, message):
    model = validated().fit(binary_rows())
    before = dict(vars(model))
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        model.fit(binary_rows(90), X_val=X_val, sample_weight_val=weights)
    assert vars(model) == before


def test_validation_rows_of_weight_zero_are_not_looked_at():
    X, X_val = binary_rows(), binary_rows(20, seed=1)
    strange = np.vstack([X_val, np.full((1, 5), np.inf)])
    weights = np.append(np.ones(20), 0.0)
    model = validated().fit(X, X_val=strange, sample_weight_val=weights)
    assert same_fit(model, validated().fit(X, X_val=X_val))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("early_stopping", "always"),
        ("early_stopping", 0.0),
        ("early_stopping", 1.0),
        ("early_stopping", 1),
        ("n_iter_no_change", 0),
    ],
)
def test_wrong_parameters_are_named(parameter, value):
    with pytest.raises(ValueError, match=rf"'{parameter}' parameter.*Got {value!r}"):
        stopped(**{parameter: value}).fit(binary_rows())


def test_a_single_row_cannot_be_split():
    with pytest.raises(ValueError, match=r"early_stopping holds out 0\.1 of.*one sample.*X_val"):
        stopped().fit([[1, 2, 3]])
    stopped().fit([[1, 2, 3]] * 2)
    stopped().fit([[1, 2, 3]], sample_weight=[2.0])
    validated().fit([[1, 2, 3]], X_val=[[1, 2, 3]])


def test_a_continuous_column_keeps_its_only_values_in_training():
    X = np.random.default_rng(0).normal(size=(20, 2))
    X[1:, 1] = np.nan
    for seed in range(20):
        model = stopped(random_state=seed, early_stopping=0.4, max_iter=5).fit(X)
        assert np.isfinite(model.score_samples(X)).all()


def test_a_continuous_column_that_leaves_no_row_to_hold_out():
    X = np.array([[0.5, 1.5], [0.25, np.nan]])
    messages = []
    for seed in range(9):
        try:
            stopped(random_state=seed).fit(X)
        except ValueError as error:  # where the first row was drawn
            messages.append(str(error))
    assert 0 < len(messages) < 9
    assert re.search("no row to hold out, as 0.1 of them.*continuous column.*X_val", messages[0])


def test_categories_in_held_out_rows_alone_are_known():
    X = np.column_stack([np.arange(20), binary_rows(20, 2)])
    for pseudocount in 0.0, 0.1:
        model = stopped(pseudocount=pseudocount, early_stopping=0.4, max_iter=9)
        model.set_params(feature_types={0: "categorical"}).fit(X)
        assert len(model.categories_[0]) == 20
        assert np.isfinite(model.score_samples(X)).all()
        assert np.isfinite(model.validation_log_likelihoods_).all()
        model.circuit_.check()


def test_the_end_is_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = stopped(max_iter=500).fit(binary_rows())
    assert model.converged_
    assert model.n_iter_ < 500


def test_running_out_of_iterations_is_a_warning():
    with pytest.warns(
        ConvergenceWarning, match="max_iter=3.*validation.*n_iter_no_change=10.*tol=0.0001"
    ):
        model = stopped(max_iter=3).fit(binary_rows())
    assert not model.converged_
    assert model.n_iter_ == 3


def test_one_iteration_is_an_update():
    model = stopped(max_iter=1, tol=0.0).fit(binary_rows())
    assert model.best_iteration_ == 1


def test_verbose_prints_the_validation_score(capsys):
    model = stopped(max_iter=4, tol=0.0, verbose=1).fit(binary_rows())
    lines = capsys.readouterr().out.splitlines()
    printed = [float(re.search(r"validation (\S+)", line)[1]) for line in lines]
    np.testing.assert_allclose(printed, model.validation_log_likelihoods_[:-1], rtol=0, atol=5e-7)
    assert re.fullmatch(
        r"iteration +3 +log-likelihood -\d\S+ +change \S+ +validation -\d\S+ +\d+\.\d\d s", lines[2]
    )


# --- warm starts, and company ------------------------------------------------------------


@pytest.mark.parametrize("split", [False, True])
def test_warm_start_goes_on_where_it_stopped(split):
    X = binary_rows(600, 8)
    rows = {} if split else {"X_val": binary_rows(200, 8, seed=1)}
    whole = stopped(max_iter=9, n_iter_no_change=50, refit=not split).fit(X, **rows)
    assert whole.best_iteration_ == 9
    parts = validated(max_iter=6, n_iter_no_change=50, warm_start=True).fit(X, **rows)
    for n_iter in 1, 2:
        parts.set_params(max_iter=n_iter).fit(X, **rows)
    assert same_bits(parts.circuit_, whole.circuit_)
    assert np.array_equal(parts.validation_log_likelihoods_, whole.validation_log_likelihoods_[7:])


def test_warm_start_holds_out_the_same_rows_without_a_seed():
    X = binary_rows(120, 8)
    model = validated(max_iter=3, warm_start=True, random_state=None).fit(X)
    last = model.validation_log_likelihoods_[model.best_iteration_]
    for _ in range(3):
        assert model.fit(X).validation_log_likelihoods_[0] == last
        last = model.validation_log_likelihoods_[model.best_iteration_]


def test_warm_start_keeps_a_start_that_nothing_improves():
    X, X_val = binary_rows(), binary_rows(40, seed=1)
    model = validated(warm_start=True, mu=0.0, tol=0.0).fit(X, X_val=X_val)
    circuit = model.circuit_
    model.fit(X, X_val=X_val)
    assert model.best_iteration_ == 0
    assert same_bits(model.circuit_, circuit)


def test_warm_starts_are_not_refitted():
    X = binary_rows()
    assert same_fit(validated(warm_start=True).fit(X), stopped().fit(X))


def test_the_generator_of_the_user_is_not_wound_back():
    X = binary_rows()
    states = []
    for refit in False, True:
        random_state = np.random.RandomState(0)
        stopped(refit=refit, n_init=2, random_state=random_state).fit(X)
        states.append(random_state.random_sample())
    assert states[0] == states[1]


def test_fit_leaves_validation_rows_alone():
    X_val, weights = mixed_rows(30), np.arange(30.0)
    before = X_val.copy()
    validated().fit(mixed_rows(), X_val=X_val, sample_weight_val=weights)
    assert np.array_equal(X_val, before, equal_nan=True)
    assert np.array_equal(weights, np.arange(30.0))


def test_validation_rows_go_through_pipelines_and_searches():
    X, X_val = mixed_rows(), mixed_rows(30, seed=1)
    with config_context(enable_metadata_routing=True):
        model = validated().set_fit_request(X_val=True, sample_weight=True, sample_weight_val=True)
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            model,
            transform_input=["X_val"],
        )
        weights, weights_val = np.arange(60.0), np.arange(30.0)
        pipeline.fit(X, X_val=X_val, sample_weight=weights, sample_weight_val=weights_val)
        scaler = StandardScaler().fit(X)
        expected = validated().fit(
            scaler.transform(X),
            sample_weight=weights,
            X_val=scaler.transform(X_val),
            sample_weight_val=weights_val,
        )
        assert same_fit(pipeline[-1], expected)
        search = GridSearchCV(
            validated().set_fit_request(X_val=True), {"mu": [0.0, 0.1]}, cv=3
        ).fit(X, X_val=X_val)
    assert search.best_estimator_.best_iteration_ > 0
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
