"""partial_fit: streams of rows, what the first call decides, and what later calls may bring."""

import io
import pickle

import numpy as np
import pandas
import polars
import pytest
import sklearn
from helpers import same_bits
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skpc import SharpPCDensity
from skpc._estimators.base import SKOPS_TRUSTED_TYPES
from skpc._threads import use_threads

QUICK = {"n_latents": 3, "max_iter": 15, "early_stopping": False, "random_state": 0}


def quick(**parameters):
    return SharpPCDensity(**{**QUICK, "tol": 0.0, **parameters})


def stream(seed, n, missing=0.1):
    """Columns that one of four groups explains: two labels, a flag, two numbers."""
    rng = np.random.default_rng(seed)
    z = rng.integers(4, size=n)
    X = np.stack(
        [
            (z + rng.integers(2, size=n)) % 4,
            z // 2,
            2.0 * z + rng.normal(size=n),
            np.where(rng.random(n) < 0.8, z, rng.integers(4, size=n)),
            np.exp(0.5 * rng.normal(size=n) + 0.5 * (z % 2)),
        ],
        axis=1,
    )
    X[rng.random(X.shape) < missing] = np.nan
    return X


def parts_of(X, n_parts):
    return np.array_split(X, n_parts)


def learnt(X, n_parts=3, **parameters):
    model = quick(**parameters)
    for part in parts_of(X, n_parts):
        model.partial_fit(part)
    return model


# --- what it learns ----------------------------------------------------------------------


def test_the_first_call_is_fit():
    X, weights = stream(0, 200), np.random.default_rng(1).uniform(0.5, 2.0, 200)
    first = quick().partial_fit(X, sample_weight=weights)
    fitted = quick().fit(X, sample_weight=weights)
    assert same_bits(first.circuit_, fitted.circuit_)
    assert vars(first).keys() == vars(fitted).keys()
    assert first.n_samples_seen_ == fitted.n_samples_seen_ == pytest.approx(weights.sum())


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_comes_near_a_fit_of_all_rows(seed):
    """Of fourteen seeds the worst gained 0.035 nats per row, and was 0.036 short of the fit."""
    test, first, rest = stream(seed + 100, 2000), stream(seed, 300), stream(seed + 50, 3000)
    settings = {"n_latents": 4, "max_iter": 60, "batch_size": None, "feature_groups": None}
    model = quick(**settings).partial_fit(first)
    start = model.score(test)
    for part in parts_of(rest, 30):
        model.partial_fit(part)
    whole = quick(**settings, tol=1e-4, feature_types=model.feature_types_)
    best = whole.fit(np.concatenate([first, rest])).score(test)
    assert model.score(test) > max(start + 0.02, best - 0.06)


def test_calls_go_on_learning_after_a_fit():
    test, X = stream(9, 2000), stream(0, 300)
    fitted = quick().fit(X)
    model = pickle.loads(pickle.dumps(fitted))
    for part in parts_of(stream(1, 2000), 10):
        model.partial_fit(part)
    assert model.score(test) > fitted.score(test) + 0.01
    assert model.n_samples_seen_ == 2300.0


def test_what_changes_is_followed():
    """Half of the columns' dependence turns round: the model is soon better than one of the old."""
    old, new = stream(0, 600, 0.0), stream(1, 3000, 0.0)
    new[:, 3] = 3.0 - new[:, 3]
    model = quick().fit(old)
    before = model.score(new[2000:])
    for part in parts_of(new[:2000], 10):
        model.partial_fit(part)
    assert model.score(new[2000:]) > before + 0.3


@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "adam"},
        {"update": "cubic", "mu": 0.1},
        {"regularizer": "gated", "mu": 0.1},
        {"multiplier": "exact", "mu": 1e-4},
        {"structure": "rat", "n_components": 2},
        {"dtype": "float32"},
        {"batch_size": 20},
        {"feature_types": {2: "gaussian", 4: "gaussian"}},
        {"feature_types": {0: "binomial", 2: "numeric", 3: "binomial"}},
        {"n_latents": 1},
        {"feature_groups": [[2, 4], [0, 1]]},
        {"pseudocount": 0.0, "mu": 0.0},
    ],
    ids=str,
)
def test_all_ways_to_learn_can_go_on(parameters):
    parameters = {"max_iter": 5, "tol": 0.0, **parameters}
    X, test = stream(0, 300), stream(9, 1000)
    model = quick(**parameters).partial_fit(X)
    before = model.score(test)
    for part in parts_of(stream(1, 1500), 10):
        model.partial_fit(part)
    model.circuit_.check()
    assert model.score(test) > before + 0.003


@pytest.mark.slow
@pytest.mark.parametrize("parameters", [{}, {"structure": "continuous-mixture"}], ids=str)
def test_chosen_sizes_can_go_on(parameters):
    X, test = stream(0, 300), stream(9, 1000)
    model = SharpPCDensity(random_state=0, **parameters).partial_fit(X)
    before = model.score(test)
    for part in parts_of(stream(1, 1500), 10):
        model.partial_fit(part)
    model.circuit_.check()
    assert model.score(test) > before


def test_the_penalty_is_that_of_fit_unless_it_is_set():
    model = quick().fit(stream(0, 200))
    model.mu_ = 0.3
    same = pickle.loads(pickle.dumps(model)).partial_fit(stream(1, 200))
    model.set_params(mu=1000.0).partial_fit(stream(1, 200))
    assert (same.mu_, model.mu_) == (0.3, 1000.0)
    below = model.circuit_.parents >= 0
    spread = [one.circuit_.sum_weights[below].std() for one in (same, model)]
    assert spread[1] < 0.95 * spread[0]


# --- rows, weights and determinism ---------------------------------------------------------


def test_the_order_of_rows_and_threads_do_not_matter_to_the_last_bit():
    first, X = stream(0, 200), stream(1, 800)
    order = np.random.default_rng(0).permutation(800)
    model = quick().partial_fit(first).partial_fit(X)
    assert same_bits(model.circuit_, quick().partial_fit(first).partial_fit(X[order]).circuit_)
    with use_threads(2, 1e12):
        other = quick(n_jobs=2).partial_fit(first).partial_fit(X)
    assert same_bits(model.circuit_, other.circuit_)
    assert_array_equal(model.log_likelihoods_, other.log_likelihoods_)


def test_weights_are_repetitions_and_rows_without_weight_are_absent():
    first, X = stream(0, 200), stream(1, 90)
    weights = np.random.default_rng(0).integers(0, 3, 90)
    weighted = quick().partial_fit(first).partial_fit(X, sample_weight=weights)
    repeated = quick().partial_fit(first).partial_fit(np.repeat(X, weights, axis=0))
    assert same_bits(weighted.circuit_, repeated.circuit_)
    assert weighted.n_samples_seen_ == repeated.n_samples_seen_ == 200.0 + weights.sum()


def test_blocks_of_rows_change_no_more_than_rounding():
    first, X = stream(0, 200), stream(1, 400)
    whole = quick(batch_size=None).partial_fit(first).partial_fit(X)
    with sklearn.config_context(working_memory=0.01):
        parts = quick(batch_size=None).partial_fit(first)
        parts.circuit_ = quick(batch_size=None).partial_fit(first).circuit_
        parts.partial_fit(X)
    assert not np.array_equal(whole.circuit_.sum_weights, parts.circuit_.sum_weights)
    assert_allclose(parts.circuit_.sum_weights, whole.circuit_.sum_weights, rtol=1e-8)


@pytest.mark.parametrize("empty", [np.empty((0, 5)), pandas.DataFrame(np.empty((0, 5)))])
def test_no_rows_teach_nothing_and_are_an_error_at_first(empty):
    X = stream(0, 100)
    model = quick().partial_fit(X if isinstance(empty, np.ndarray) else pandas.DataFrame(X))
    before = dict(vars(model))
    model.partial_fit(empty)
    model.partial_fit(
        X if isinstance(empty, np.ndarray) else pandas.DataFrame(X), None, np.zeros(100)
    )
    assert vars(model) == before
    with pytest.raises(ValueError, match="X has 0 rows"):
        quick().partial_fit(empty)
    with pytest.raises(ValueError, match="at least one"):
        quick().partial_fit(X, sample_weight=np.zeros(100))


def test_a_column_without_values_stays_as_it_is():
    model = quick(structure="chain").partial_fit(stream(0, 200))
    X = stream(1, 100)
    X[:, 2] = np.nan
    region = next(r for r, own in enumerate(model.circuit_.features) if own.tolist() == [2])
    old = model.circuit_.inputs[region]
    new = model.partial_fit(X).circuit_.inputs[region]
    # But for what priors do to a state.
    assert_allclose(new.means, old.means, atol=0.1)


def test_numbers_far_from_all_before_leave_a_model_that_scores():
    test, model = stream(9, 500), quick().partial_fit(stream(0, 500))
    before, X = model.score(test), stream(1, 100)
    X[:2, 4] = 1e149, -1e149
    assert model.partial_fit(X).score(test) > before - 2.0
    model.circuit_.check()
    shifted = stream(2, 500) + np.array([0.0, 0.0, 1e4, 0.0, 0.0])
    score = model.score(shifted)
    for part in parts_of(shifted, 5):
        model.partial_fit(part)
    assert model.score(shifted) > score + 1.0
    with pytest.raises(ValueError, match=r"too large to be squared: 1e\+200 in column 4"):
        model.partial_fit(np.where(np.arange(5) == 4, 1e200, X))


# --- what is stored --------------------------------------------------------------------------


def test_attributes_tell_of_the_first_call_and_of_each_call_since():
    first, *others = parts_of(stream(0, 400), 4)
    model = quick().partial_fit(first)
    n_iter, history = model.n_iter_, model.log_likelihoods_
    scores = []
    for part in others:
        scores.append(model.score(part))
        model.partial_fit(part)
    assert model.n_iter_ == len(model.log_likelihoods_) == n_iter + 3
    assert_array_equal(model.log_likelihoods_[:n_iter], history)
    assert_allclose(model.log_likelihoods_[n_iter:], scores, rtol=1e-12)
    assert model.n_samples_seen_ == 400.0


def via_pickle(model):
    return pickle.loads(pickle.dumps(model))


def via_skops(model):
    from skops.io import dumps, loads

    return loads(dumps(model), trusted=list(SKOPS_TRUSTED_TYPES))


def via_joblib(model):
    import joblib

    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("stored", [via_pickle, via_skops, via_joblib])
def test_a_stored_model_goes_on_to_the_same_bits(stored):
    X = stream(0, 300)
    model = learnt(X)
    other = stored(model)
    assert other.n_samples_seen_ == 300.0
    more = stream(1, 100)
    assert same_bits(model.partial_fit(more).circuit_, other.partial_fit(more).circuit_)
    state = model.__getstate__()
    with pytest.raises(ValueError, match="n_samples_seen_ must be a weight above 0; got 0"):
        SharpPCDensity().__setstate__({**state, "n_samples_seen_": 0})


def test_fit_and_clone_start_anew():
    X = stream(0, 200)
    model = learnt(stream(1, 300))
    assert same_bits(model.fit(X).circuit_, quick().fit(X).circuit_)
    assert model.n_samples_seen_ == 200.0
    with pytest.raises(NotFittedError):
        clone(model).score(X)


def test_a_marginal_goes_on_with_its_columns():
    model = learnt(stream(0, 300))
    smaller = model.marginal([2, 0])
    assert smaller.n_samples_seen_ == 300.0
    assert np.isfinite(
        smaller.partial_fit(stream(1, 100)[:, [2, 0]]).score(stream(2, 9)[:, [2, 0]])
    )


# --- columns and categories --------------------------------------------------------------------


def frame(codes, numbers, library=pandas):
    return library.DataFrame(
        {"a": [*"xyz"[: max(codes) + 1]] * 0 + ["xyz"[c] for c in codes], "b": numbers}
    )


@pytest.mark.parametrize("library", [pandas, polars])
def test_frames_of_labels(library):
    rng = np.random.default_rng(0)
    first = frame(rng.integers(2, size=60), rng.normal(size=60), library)
    later = frame(rng.integers(3, size=60), rng.normal(size=60), library)
    with pytest.raises(ValueError, match=r"not known: 'z' in column 'a', row \d+\. Name it in the"):
        quick().partial_fit(first).partial_fit(later)
    named = {"a": ["z", "y", "x"]}
    model = quick().partial_fit(first, categories=named)
    assert model.categories_[0].tolist() == ["x", "y", "z"]
    unseen = library.DataFrame({"a": ["z"], "b": [0.0]})
    rare = model.score(unseen)
    model.partial_fit(later, categories=named)
    assert model.score(unseen) > rare + 1.0
    assert type(model.sample(3)) is type(first)


def test_declared_categories_need_no_name_and_must_be_those_named():
    dtype = pandas.CategoricalDtype(["x", "y", "z"])
    first = pandas.DataFrame({"a": pandas.Series(["x", "y"] * 30, dtype=dtype)})
    later = pandas.DataFrame({"a": pandas.Series(["z", "y"] * 30, dtype=dtype)})
    model = quick().partial_fit(first).partial_fit(later)
    assert model.categories_[0].tolist() == ["x", "y", "z"]
    with pytest.raises(ValueError, match=r"of column 'a' must be those that its dtype declares"):
        quick().partial_fit(first, categories={"a": ["x", "y"]})


def test_a_level_that_the_dtype_did_not_declare_is_refused():
    first = pandas.DataFrame({"a": pandas.Categorical([*"abc"] * 20, ordered=True)})
    later = pandas.DataFrame({"a": pandas.Categorical([*"abd"] * 20, ordered=True)})
    model = quick().partial_fit(first)
    assert model.feature_types_ == ["numeric"]
    with pytest.raises(ValueError, match=r"not known: 'd' in column 'a', row 2\."):
        model.partial_fit(later)


def test_an_unknown_category_leaves_the_estimator_as_it_was():
    X = stream(0, 200)
    model = quick().partial_fit(X)
    before = dict(vars(model))
    X[7, 0] = 9.0
    with pytest.raises(ValueError, match=r"not known: 9 in column 0, row 7\. Name it in the categ"):
        model.partial_fit(X)
    assert vars(model) == before


@pytest.mark.parametrize("as_list", [False, True])
def test_named_categories_of_numbers(as_list):
    X = stream(0, 200)
    X[X[:, 0] == 3.0, 0] = 0.0
    categories = [range(5), None, None, None, None] if as_list else {0: np.arange(5)}
    model = quick().partial_fit(X, categories=categories)
    assert model.categories_[0].tolist() == [0, 1, 2, 3, 4]
    assert model.feature_types_[0] == "categorical"
    assert_array_equal(model.partial_fit(X, categories=categories).categories_[0], range(5))
    X[:, 0] = 4.0
    assert np.isfinite(model.partial_fit(X).score(X))


def test_named_categories_make_a_column_categorical_or_binomial():
    X = np.random.default_rng(0).integers(3, 8, size=(60, 1))
    model = quick(feature_types="binomial").partial_fit(X, categories={0: [0, 12]})
    assert model.categories_[0].tolist() == [*range(13)]
    assert model.feature_types_ == ["binomial"]
    numbers = np.random.default_rng(0).choice([0.25, 0.5, 1.75], size=(12, 1))
    assert quick().partial_fit(numbers).feature_types_ == ["numeric"]
    named = quick().partial_fit(numbers, categories=[[0.25, 0.5, 1.75, 9.0]])
    assert named.feature_types_ == ["categorical"]


@pytest.mark.parametrize(
    ("categories", "parameters", "message"),
    [
        ({0: [0, 1, 2]}, {}, r"not known: 3 in column 0\. Name it in categories too"),
        ({"a": [0]}, {}, "categories names 'a', which is neither a column name nor a position"),
        ([[0]], {}, "categories has 1 entries for 5 columns; give one for each"),
        ({0: ["x"]}, {}, r"categories of column 0, which holds numbers, must be such; got \['x'\]"),
        ({0: 3}, {}, "categories of column 0 must be a sequence of categories; got 3"),
        ({0: "abc"}, {}, "categories of column 0 must be a sequence of categories; got 'abc'"),
        ({0: []}, {}, "categories of column 0 must be at least one, .* got none"),
        ({0: [0, np.nan]}, {}, "categories of column 0 must be .* none of them missing; got nan"),
        ("ab", {}, "categories must be a dict from names or positions .* got a str"),
        ({2: [0]}, {"feature_types": {2: "numeric"}}, "to which feature_types gives 'numeric'"),
    ],
)
def test_categories_that_cannot_be_are_refused(categories, parameters, message):
    model = quick(**parameters)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(stream(0, 200), categories=categories)
    assert not hasattr(model, "circuit_")


def test_later_calls_name_no_other_categories():
    X = stream(0, 200)
    model = quick().partial_fit(X)
    model.partial_fit(X, categories={0: [0, 1]})
    with pytest.raises(ValueError, match=r"names 7 of column 0, which is none .* fit anew"):
        model.partial_fit(X, categories={0: [0, 7]})
    with pytest.raises(ValueError, match=r"names 7 of column 2, which is none .* fit anew"):
        model.partial_fit(X, categories={2: [7]})


def test_sparse_rows_are_dense_rows():
    X = np.random.default_rng(0).integers(3, size=(200, 4)) * 1.0
    first, second = parts_of(X, 2)
    dense = quick().partial_fit(first).partial_fit(second)
    sparse = quick().partial_fit(csr_array(first)).partial_fit(csr_array(second))
    assert same_bits(dense.circuit_, sparse.circuit_)


def test_other_columns_are_refused():
    model = quick().partial_fit(stream(0, 100))
    with pytest.raises(ValueError, match="X has 4 features"):
        model.partial_fit(stream(0, 100)[:, :4])
    named = pandas.DataFrame(stream(0, 100), columns=[*"abcde"])
    model = quick().partial_fit(named)
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(named[[*"edcba"]])


# --- others' loops -----------------------------------------------------------------------------


def test_blocks_of_dask_are_calls():
    wrappers = pytest.importorskip("dask_ml.wrappers")
    array = pytest.importorskip("dask.array")
    X = stream(0, 400)
    X[:100, 0] = np.minimum(X[:100, 0], 2.0)
    categories = {0: [0, 1, 2, 3]}
    wrapper = wrappers.Incremental(quick(), shuffle_blocks=False)
    wrapper.fit(array.from_array(X, chunks=(100, 5)), categories=categories)
    model = quick()
    for part in parts_of(X, 4):
        model.partial_fit(part, categories=categories)
    assert same_bits(wrapper.estimator_.circuit_, model.circuit_)
    assert wrapper.n_samples_seen_ == 400.0
    wrapper.partial_fit(stream(1, 100))
    assert wrapper.estimator_.n_samples_seen_ == 500.0
