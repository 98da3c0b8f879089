"""SharpPCDensityCV: agreement with GridSearchCV, and what cross-validation leaves behind."""

import pickle
import re
import warnings

import numpy as np
import pandas
import polars
import pytest
from helpers import composed, same_bits
from scipy.sparse import csc_array, csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skpc import SharpPCDensity, SharpPCDensityCV

MUS = [0.0, 0.03, 0.3]
SHARED = {
    "n_latents": 3,
    "max_iter": 15,
    "random_state": 0,
    "n_jobs": 1,
    "init": "random",
    "early_stopping": False,
}


def chosen(**parameters):
    return composed(SharpPCDensityCV, **{**SHARED, "mus": MUS, "cv": 3, **parameters})


def search(types, cv=3, mus=MUS, **parameters):
    density = SharpPCDensity(**{**SHARED, "feature_types": types, **parameters})
    return GridSearchCV(density, {"mu": list(mus)}, cv=cv, return_train_score=True)


def split_scores(result, part="test"):
    """(n_mus, n_folds) of a grid search."""
    n_folds = result.n_splits_
    return np.stack([result.cv_results_[f"split{k}_{part}_score"] for k in range(n_folds)], axis=1)


def binary_rows(n_rows=90, n_columns=5, seed=0):
    rng = np.random.default_rng(seed)
    probs = np.random.default_rng(99).random((3, n_columns))
    return (rng.random((n_rows, n_columns)) < probs[rng.integers(0, 3, n_rows)]).astype(float)


def holey_rows():
    rng = np.random.default_rng(1)
    X = np.hstack([binary_rows(), binary_rows(seed=4)[:, :2] + rng.normal(size=(90, 2))])
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def label_frame(n_rows=90):
    X = binary_rows(n_rows)
    frame = pandas.DataFrame(
        {"a": np.array(["no", "yes"])[X[:, 0].astype(int)], "b": X[:, 1] > 0, "c": X[:, 2] + 0.5}
    )
    frame.loc[2, "a"] = "perhaps"  # in one row: no other fold has seen it
    return frame.assign(x=np.random.default_rng(0).normal(size=n_rows))


TABLES = {
    "binary": (binary_rows(), "categorical"),
    "holes": (holey_rows(), ["categorical"] * 5 + ["numeric"] * 2),
    "csr": (csr_array(binary_rows()), "categorical"),
    "csc": (csc_array(binary_rows()), "categorical"),
    "list": (binary_rows().tolist(), "categorical"),
    "pandas": (label_frame(), ["categorical"] * 2 + ["categorical", "numeric"]),
    "polars": (
        polars.DataFrame(label_frame().to_dict("list")),
        ["categorical"] * 2 + ["categorical", "numeric"],
    ),
}
each_table = pytest.mark.parametrize(("X", "types"), TABLES.values(), ids=TABLES.keys())

# --- agreement with GridSearchCV ---------------------------------------------------------


@each_table
def test_scores_and_choice_are_those_of_a_grid_search(X, types):
    model, expected = chosen().fit(X), search(types).fit(X)
    assert np.array_equal(model.cv_log_likelihoods_, split_scores(expected))
    assert model.mu_ == expected.best_params_["mu"]
    assert same_bits(model.circuit_, expected.best_estimator_.circuit_)
    assert np.array_equal(model.score_samples(X), expected.best_estimator_.score_samples(X))
    assert np.ptp(model.cv_log_likelihoods_.mean(axis=1)) > 1e-4  # there was a choice


FITS = {
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2},
    "batches": {"batch_size": 20, "max_iter": 3},
    "gated": {"regularizer": "gated"},
    "starts": {"n_init": 2},
    "mixture": {"n_components": 2, "max_iter": 4},
    "adam": {"solver": "adam", "max_iter": 3},
}


@pytest.mark.parametrize("parameters", FITS.values(), ids=FITS.keys())
def test_every_way_to_fit_agrees_with_a_grid_search(parameters):
    X = binary_rows()
    mus = [0.0, 1e-4] if parameters.get("solver") == "adam" else MUS
    model = chosen(mus=mus, **parameters).fit(X)
    expected = search("categorical", mus=mus, **parameters).fit(X)
    assert np.array_equal(model.cv_log_likelihoods_, split_scores(expected))
    assert model.mu_ == expected.best_params_["mu"]
    assert same_bits(model.circuit_, expected.best_estimator_.circuit_)


SPLITTERS = {
    "none": None,
    "shuffled": KFold(4, shuffle=True, random_state=1),
    "overlapping": ShuffleSplit(2, random_state=0),
    "predefined": PredefinedSplit(np.arange(90) % 4 - 1),
    "pairs": [(np.arange(50), np.arange(50, 90)), (np.arange(40, 90), np.arange(40))],
    "drawn with replacement": [(np.arange(90) // 2, np.arange(60, 90))],
    "groups": list(GroupKFold(3).split(np.zeros(90), groups=np.arange(90) // 7)),
}


@pytest.mark.parametrize("cv", SPLITTERS.values(), ids=SPLITTERS.keys())
def test_all_kinds_of_folds_are_those_of_a_grid_search(cv):
    X = binary_rows()
    model, expected = chosen(cv=cv).fit(X), search("categorical", cv=cv).fit(X)
    assert np.array_equal(model.cv_log_likelihoods_, split_scores(expected))


def test_a_splitter_may_look_at_y():
    X, y = binary_rows(), np.arange(90) // 30
    cv = StratifiedKFold(3)
    model, expected = chosen(cv=cv).fit(X, y), search("categorical", cv=cv).fit(X, y)
    assert np.array_equal(model.cv_log_likelihoods_, split_scores(expected))


def test_masks_are_rows_too():
    X, first = binary_rows(), np.arange(90) < 50
    by_mask = chosen(cv=[(first, ~first)]).fit(X)
    by_number = chosen(cv=[(np.flatnonzero(first), np.flatnonzero(~first))]).fit(X)
    assert np.array_equal(by_mask.cv_log_likelihoods_, by_number.cv_log_likelihoods_)


def test_weights_count_in_fits_and_means():
    X, weights = binary_rows(), np.random.default_rng(5).uniform(0.2, 4.0, 90)
    model = chosen().fit(X, sample_weight=weights)
    with config_context(enable_metadata_routing=True):
        expected = search("categorical")
        expected.estimator.set_fit_request(sample_weight=True)
        expected.estimator.set_score_request(sample_weight=True)
        expected.fit(X, sample_weight=weights)
    assert np.array_equal(model.cv_log_likelihoods_, split_scores(expected))
    assert same_bits(model.circuit_, expected.best_estimator_.circuit_)
    unweighted = chosen().fit(X)
    assert np.abs(model.cv_log_likelihoods_ - unweighted.cv_log_likelihoods_).max() > 1e-3


def test_overfitting_and_sharpness_are_those_of_the_fold_models():
    X, weights = binary_rows(), np.random.default_rng(5).uniform(0.2, 4.0, 90)
    model = chosen().fit(X, sample_weight=weights)
    for k, (train, test) in enumerate(KFold(3).split(X)):
        for i, mu in enumerate(MUS):
            one = SharpPCDensity(**SHARED, mu=mu).fit(X[train], sample_weight=weights[train])
            inner = -one.score(X[train], sample_weight=weights[train])
            outer = -one.score(X[test], sample_weight=weights[test])
            assert model.cv_overfitting_[i, k] == pytest.approx((outer - inner) / inner, rel=1e-9)
            sharpness = one.sharpness(X[train], sample_weight=weights[train])
            assert model.cv_sharpness_[i, k] == pytest.approx(sharpness, rel=1e-12)


def test_overfitting_has_its_sign_where_densities_exceed_one():
    X = np.random.default_rng(0).normal(size=(60, 2)) * 1e-3
    model = chosen(feature_types="gaussian").fit(X)
    assert (model.cv_log_likelihoods_ > 0).all()
    assert model.cv_overfitting_.mean() > 0


def test_a_table_of_one_row_repeated():
    model = chosen(pseudocount=0.0).fit(np.ones((12, 2)))
    assert np.isfinite(model.cv_log_likelihoods_).all()
    assert model.score(np.ones((1, 2))) == pytest.approx(0.0, abs=1e-12)


# --- the choice --------------------------------------------------------------------------


def test_a_penalty_is_chosen_where_rows_are_few_and_pays_on_fresh_rows():
    X, fresh = binary_rows(60, 20), binary_rows(2000, 20, seed=1)
    model = chosen(n_latents=8, max_iter=100, mus=[0, 0.03, 0.1, 0.3], cv=5).fit(X)
    assert model.mu_ > 0
    like_it = {"init": "random", "early_stopping": False, "max_iter": 100, "random_state": 0}
    plain = SharpPCDensity(n_latents=8, mu=0.0, **like_it).fit(X)
    assert model.score(fresh) > plain.score(fresh) + 0.1
    # The penalty makes optima flatter, and held-out rows less of a surprise.
    assert model.cv_sharpness_[-1].mean() < model.cv_sharpness_[0].mean()
    assert model.cv_overfitting_[-1].mean() < model.cv_overfitting_[0].mean()


def test_the_grid_is_sorted_and_distinct():
    X = binary_rows()
    model, tidy = chosen(mus=(0.3, 0, 0.03, 0.3, -0.0)).fit(X), chosen().fit(X)
    assert model.mus_.tolist() == MUS
    assert model.mus == (0.3, 0, 0.03, 0.3, -0.0)
    assert np.array_equal(model.cv_log_likelihoods_, tidy.cv_log_likelihoods_)
    assert model.cv_log_likelihoods_.shape == model.cv_overfitting_.shape == (3, 3)


def test_of_equals_the_smallest_is_chosen():
    model = chosen(n_latents=1, pseudocount=0.0, mus=[0, 1e-300]).fit(np.arange(12.0)[:, None] % 2)
    assert (model.cv_log_likelihoods_[0] == model.cv_log_likelihoods_[1]).all()
    assert model.mu_ == 0.0


def test_the_default_grid_and_folds():
    model = SharpPCDensityCV(SharpPCDensity(n_latents=2, max_iter=3)).fit(binary_rows())
    assert model.mus_.tolist() == [0.0, 0.01, 0.03, 0.1, 0.3]
    assert model.cv_log_likelihoods_.shape == (5, 5)


# --- rows and columns --------------------------------------------------------------------


def test_types_are_decided_once_on_all_rows():
    """A column of integers that is categorical in one fold of three, and numeric on all rows."""
    X = np.column_stack([binary_rows(75), np.arange(75) % 10, np.arange(75) // 20])
    X[:25, 5] = np.arange(25) + 50
    model = chosen().fit(X)
    types = ["categorical"] * 5 + ["numeric", "categorical"]
    assert model.feature_types_ == types
    assert np.array_equal(model.cv_log_likelihoods_, split_scores(search(types).fit(X)))
    auto = search("auto").fit(X)
    assert not np.allclose(model.cv_log_likelihoods_, split_scores(auto))


def test_categories_that_training_rows_lack_are_no_error():
    X = label_frame()
    model = chosen().fit(X)
    assert np.isfinite(model.cv_log_likelihoods_).all()
    X.loc[0, "a"] = "never"
    assert np.isfinite(model.score_samples(X)).all()


@pytest.mark.parametrize("value", [1.0, np.inf], ids=["ordinary", "strange"])
def test_rows_of_weight_zero_do_not_matter(value):
    X, weights = binary_rows(), np.ones(90)
    padded = np.insert(X, [0, 0, 0, 5], value, axis=0)
    weights = np.insert(weights, [0, 0, 0, 5], 0.0)
    model, without = chosen().fit(padded, sample_weight=weights), chosen().fit(X)
    assert np.array_equal(model.cv_log_likelihoods_, without.cv_log_likelihoods_)
    assert np.array_equal(model.cv_sharpness_, without.cv_sharpness_)
    assert np.array_equal(model.cv_overfitting_, without.cv_overfitting_)
    assert same_bits(model.circuit_, without.circuit_)


def test_rows_of_weight_zero_count_for_a_splitter_and_nobody_else():
    X, weights = binary_rows(), np.ones(90)
    weights[:10] = 0.0
    X[:10] = 7.0
    model = chosen(cv=KFold(3)).fit(X, sample_weight=weights)
    pairs = [(a[a >= 10], b[b >= 10]) for a, b in KFold(3).split(X)]
    expected = search("categorical", cv=pairs).fit(X)
    assert np.array_equal(model.cv_log_likelihoods_, split_scores(expected))


def test_names_of_columns_are_known():
    X = label_frame()
    model = chosen(refit=False).fit(X)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "x"]
    assert model.n_features_in_ == 4
    full = chosen().fit(X)
    assert full.feature_names_in_.tolist() == ["a", "b", "c", "x"]
    assert list(full.sample(2, random_state=0).columns) == ["a", "b", "c", "x"]
    full.fit(binary_rows())
    assert not hasattr(full, "feature_names_in_")
    assert full.n_features_in_ == 5


def test_validation_rows_stop_every_fit():
    X, X_val = binary_rows(), binary_rows(40, seed=1)
    model = chosen(n_iter_no_change=2).fit(X, X_val=X_val, sample_weight_val=np.arange(40.0))
    assert model.best_iteration_ is not None
    for k, (train, test) in enumerate(KFold(3).split(X)):
        one = SharpPCDensity(**SHARED, mu=MUS[1], n_iter_no_change=2)
        one.fit(X[train], X_val=X_val, sample_weight_val=np.arange(40.0))
        assert model.cv_log_likelihoods_[1, k] == one.score(X[test])


# --- what fit leaves behind --------------------------------------------------------------


def test_without_refit_there_is_no_model():
    X = binary_rows()
    model, full = chosen(refit=False).fit(X), chosen().fit(X)
    assert np.array_equal(model.cv_log_likelihoods_, full.cv_log_likelihoods_)
    assert model.mu_ == full.mu_
    for query in ("score_samples", "score", "hessian_trace", "sharpness", "sample", "circuit_"):
        assert hasattr(full, query)
        assert not hasattr(model, query)
    with pytest.raises(AttributeError, match=r"refit=False leaves no density.*Set refit=True"):
        model.score(X)
    # A former circuit does not stay either.
    full.set_params(refit=False).fit(X)
    assert vars(full).keys() == vars(model).keys()
    assert not hasattr(full, "circuit_")
    full.set_params(refit=True)
    with pytest.raises(NotFittedError, match="SharpPCDensityCV"):
        full.score(X)


def test_queries_are_those_of_the_best_density():
    X = binary_rows()
    model = chosen().fit(X)
    best = SharpPCDensity(**SHARED, mu=model.mu_).fit(X)
    assert np.array_equal(model.score_samples(X), best.score_samples(X))
    assert np.array_equal(model.sample(5, random_state=0), best.sample(5, random_state=0))
    assert np.array_equal(model.hessian_trace(X), best.hessian_trace(X))
    assert model.bic(X) == best.bic(X)
    assert same_bits(model.circuit_, best.circuit_)
    assert model.best_iteration_ is best.best_iteration_
    assert model.n_iter_ == best.n_iter_
    assert model.feature_types_ == best.feature_types_


def test_a_failed_fit_leaves_the_model_as_it_was(monkeypatch):
    X = binary_rows()
    model = chosen().fit(X)
    before = dict(vars(model))
    fit, n_fits = SharpPCDensity._fit_part, 0

    def fails_at_last(self, *args, **kwargs):
        nonlocal n_fits
        n_fits += 1
        if n_fits > 9:  # all folds are done
            raise MemoryError
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(SharpPCDensity, "_fit_part", fails_at_last)
    with pytest.raises(MemoryError):
        model.fit(binary_rows(60, 3))
    assert vars(model) == before
    for wrong in (np.full((9, 5), np.inf), X[:2], [["a"]]):
        with pytest.raises(ValueError, match=r"."):
            model.fit(wrong)
        assert vars(model) == before


def test_fit_does_not_write_to_parameters():
    X, random_state = binary_rows(), np.random.RandomState(3)
    mus = np.array([0.3, 0.0])
    model = chosen(mus=mus, random_state=random_state, verbose=0, warm_path=True)
    parameters = model.get_params()
    model.fit(X)
    after = model.get_params()
    assert all(after[name] is parameters[name] for name in parameters)
    assert mus.tolist() == [0.3, 0.0]


def test_clone_and_pickle():
    X = binary_rows()
    model = chosen(cv=KFold(3, shuffle=True, random_state=0)).fit(X)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.score_samples(X), model.score_samples(X))
    assert np.array_equal(again.cv_sharpness_, model.cv_sharpness_)
    unfitted = clone(model)
    assert not hasattr(unfitted, "mu_")
    assert unfitted.get_params().keys() == model.get_params().keys()
    assert np.array_equal(unfitted.fit(X).cv_log_likelihoods_, model.cv_log_likelihoods_)


def test_the_seed_decides_everything():
    X = binary_rows()
    model, again = chosen().fit(X), chosen().fit(X)
    other = chosen(random_state=1).fit(X)
    for name in ("cv_log_likelihoods_", "cv_sharpness_", "cv_overfitting_"):
        assert np.array_equal(getattr(model, name), getattr(again, name))
        assert not np.array_equal(getattr(model, name), getattr(other, name))
    two_threads = chosen(n_jobs=2).fit(X)
    assert np.array_equal(two_threads.cv_log_likelihoods_, model.cv_log_likelihoods_)
    assert same_bits(two_threads.circuit_, model.circuit_)


def test_a_generator_gives_one_seed_for_all_fits():
    X = binary_rows()
    random_state = np.random.RandomState(0)
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    model = chosen(random_state=random_state).fit(X)
    expected = chosen(random_state=seed).fit(X)
    assert np.array_equal(model.cv_log_likelihoods_, expected.cv_log_likelihoods_)
    assert same_bits(model.circuit_, expected.circuit_)
    again = model.fit(X)  # from a copy of the generator
    assert np.array_equal(again.cv_log_likelihoods_, expected.cv_log_likelihoods_)


def test_in_a_pipeline_and_in_a_search():
    X = holey_rows()
    pipeline = make_pipeline(StandardScaler(), chosen()).fit(X)
    assert pipeline[-1].mu_ in MUS
    assert np.isfinite(pipeline.score_samples(X)).all()
    both = GridSearchCV(chosen(), {"estimator__n_latents": [1, 3]}, cv=2).fit(X)
    assert np.isfinite(both.cv_results_["mean_test_score"]).all()


# --- warm paths --------------------------------------------------------------------------


def test_a_marginal_is_that_of_the_density_chosen():
    X = binary_rows()
    model = chosen(random_state=np.random.RandomState(0)).fit(X)
    state = model.estimator.random_state.get_state()[1].copy()
    part = model.marginal([2, 0])
    assert type(part) is SharpPCDensity
    assert (part.mu, part.mu_) == (model.mu_, model.mu_)
    holes = np.where(np.isin(np.arange(X.shape[1]), [0, 2]), X, np.nan)
    np.testing.assert_allclose(part.score_samples(X[:, [2, 0]]), model.score_samples(holes))
    assert np.array_equal(model.estimator.random_state.get_state()[1], state)


def test_a_warm_path_goes_from_the_largest_penalty_down():
    X = binary_rows()
    model = chosen(warm_path=True).fit(X)

    def path(rows, last):
        one = SharpPCDensity(**SHARED, warm_start=True)
        for mu in [mu for mu in MUS[::-1] if mu >= last]:
            one.set_params(mu=mu).fit(rows)
        return one

    for k, (train, test) in enumerate(KFold(3).split(X)):
        for i, mu in enumerate(MUS):
            assert model.cv_log_likelihoods_[i, k] == path(X[train], mu).score(X[test])
    assert same_bits(model.circuit_, path(X, model.mu_).circuit_)
    cold = chosen().fit(X)
    assert np.array_equal(model.cv_log_likelihoods_[-1], cold.cv_log_likelihoods_[-1])
    assert not np.array_equal(model.cv_log_likelihoods_[0], cold.cv_log_likelihoods_[0])


def test_the_final_fit_of_a_warm_path_ends_at_the_choice():
    X = binary_rows()
    model = chosen(warm_path=True, mus=[0.03, 50.0]).fit(X)
    assert model.mu_ == 0.03
    first = SharpPCDensity(**SHARED, mu=50.0, warm_start=True).fit(X)
    assert same_bits(model.circuit_, first.set_params(mu=0.03).fit(X).circuit_)


def test_a_warm_path_starts_anew_in_each_fit():
    X = binary_rows()
    model = chosen(warm_path=True).fit(X)
    first = model.cv_log_likelihoods_
    assert np.array_equal(model.fit(X).cv_log_likelihoods_, first)


@pytest.mark.parametrize("rows", [None, binary_rows(20, seed=1)], ids=["split", "rows"])
def test_a_warm_path_excludes_early_stopping(rows):
    model = chosen(warm_path=True, early_stopping=rows is None)
    for value in (rows is None, np.bool_(rows is None)):
        model.set_params(estimator__early_stopping=value)
        with pytest.raises(ValueError, match=r"warm_path=True.*early stopping.*Set warm_path=Fal"):
            model.fit(binary_rows(), X_val=rows)


# --- errors and messages -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("mus", [], r"mus must be a sequence of one or more.*\(0,\)"),
        ("mus", [[0.1]], r"mus must be a sequence.*\(1, 1\)"),
        ("mus", [0, -1], r"mus.*at least 0; got -1\.0 at position 1"),
        ("mus", [np.nan], "mus.*finite.*got nan at position 0"),
        ("mus", [0, np.inf], "mus.*finite.*got inf at position 1"),
        ("mus", ["a"], r"mus must be numbers.*got \['a'\]"),
        ("mus", 0.1, "'mus' parameter.*array-like"),
        ("cv", 1, r"'cv' parameter.*\[2, inf\).*Got 1"),
        ("cv", 91, "cv=91 cannot split the 90 rows.*Give a number of folds"),
        ("cv", [1, 2], r"cv=\[1, 2\] cannot split"),
        ("cv", [([0], [90])], r"cv=.*cannot split the 90 rows.*90 is out of bounds"),
        ("cv", [], r"cv=\[\] has no folds"),
        ("cv", [([0, 1], [])], "cv=.*leaves fold 0 without test rows"),
        ("cv", [([0], [1]), ([], [1])], "cv=.*leaves fold 1 without training rows"),
        ("cv", GroupKFold(2), "cv=GroupKFold.*groups.*pairs"),
        ("cv", "five", "'cv' parameter"),
        ("refit", "yes", "'refit' parameter"),
        ("warm_path", 1.5, "'warm_path' parameter"),
        ("structure", [0, 1], "structure"),
        ("n_jobs", 0, "n_jobs=0"),
    ],
)
def test_errors_name_parameter_value_and_remedy(parameter, value, message):
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        chosen(**{parameter: value}).fit(binary_rows())


def test_a_column_without_a_value_in_a_fold_has_its_margin_there():
    """What trains without it takes it for independent: its values may change places."""
    rng = np.random.default_rng(0)
    X = np.column_stack([binary_rows(), rng.normal(3.0, 2.0, 90), rng.integers(0, 3, 90)])
    X[45:, 5:] = np.nan
    moved = X.copy()
    moved[:45, 5:] = rng.permuted(X[:45, 5:], axis=0)
    first, second = (chosen(cv=2).fit(rows).cv_log_likelihoods_ for rows in (X, moved))
    np.testing.assert_allclose(first[:, 0], second[:, 0], rtol=1e-12)
    assert np.abs(first[:, 1] - second[:, 1]).max() > 1e-4
    assert np.isfinite(first).all()


def test_a_column_without_any_value_is_named():
    X = binary_rows() * 1.0
    X[:, 3] = np.nan
    with pytest.raises(ValueError, match="no value in column 3"):
        chosen(cv=2).fit(X)


def test_weights_that_leave_a_fold_empty():
    weights = np.ones(90)
    weights[:30] = 0.0
    with pytest.raises(ValueError, match="fold 0 without test rows of positive weight"):
        chosen(cv=KFold(3)).fit(binary_rows(), sample_weight=weights)
    chosen(cv=3).fit(binary_rows(), sample_weight=weights)


def test_one_warning_tells_of_all_folds():
    with pytest.warns(ConvergenceWarning) as record:
        chosen(max_iter=2, tol=1e-9).fit(binary_rows())
    messages = [str(warning.message) for warning in record]
    assert len(messages) == 2  # the folds, the final fit
    assert re.search("9 of the 9 fits.*max_iter=2.*tol=1e-09", messages[0])
    assert record[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen(max_iter=2, tol=0.0).fit(binary_rows())
        chosen(max_iter=300, tol=0.01).fit(binary_rows())
        adam = {"solver": "adam", "mus": [0.0], "max_iter": 3, "tol": 1e-9}
        chosen(**adam).fit(binary_rows())  # whose steps end by plan


def test_verbose_prints_a_line_for_each_fit(capsys):
    model = chosen(verbose=1, tol=0.0).set_params(estimator__verbose=7).fit(binary_rows())
    lines = capsys.readouterr().out.splitlines()
    found = [re.search(r"^fold (\d)  mu (\S+)  .*held-out log-likelihood (\S+)", x) for x in lines]
    for match in filter(None, found):
        k, i = int(match[1]), MUS.index(float(match[2]))
        assert float(match[3]) == pytest.approx(model.cv_log_likelihoods_[i, k], abs=1e-6)
    assert sum(match is not None for match in found) == 9
    assert [line[:14] for line in lines[9:]] == [f"iteration {i:4d}" for i in (1, 7, 14)]
    chosen().fit(binary_rows())
    assert capsys.readouterr().out == ""


# --- any grid ----------------------------------------------------------------------------


GRIDS = {
    "dict": {"mu": [0.3, 0.0], "n_latents": [2, 3]},
    "no mu": {"n_latents": [3, 2]},
    "list": [{"mu": [0.0, 0.3], "n_latents": [2]}, {"pseudocount": [0.1, (1, 2)]}],
    "default mu": {"mu": [None, 0.1], "structure": ["chain", [-1, 0, 0, 1, 1]]},
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_any_grid_is_searched_as_by_a_grid_search(grid):
    X = binary_rows()
    model = composed(SharpPCDensityCV, **SHARED, param_grid=grid, cv=3).fit(X)
    density = SharpPCDensity(**SHARED, feature_types="categorical")
    expected = GridSearchCV(density, grid, cv=3, return_train_score=True).fit(X)
    found = model.cv_results_
    assert found["params"] == expected.cv_results_["params"]
    for name, values in expected.cv_results_.items():
        if "time" not in name:
            np.testing.assert_array_equal(found[name], values, err_msg=name)
            assert np.ma.isMaskedArray(found[name]) == np.ma.isMaskedArray(values)
    assert model.best_params_ == expected.best_params_
    assert (model.best_index_, model.best_score_) == (expected.best_index_, expected.best_score_)
    assert same_bits(model.circuit_, expected.best_estimator_.circuit_)
    assert not hasattr(model, "mus_")
    assert model.mu_ == expected.best_estimator_.mu_


def test_sharpness_and_overfitting_are_told_of_any_grid():
    X = binary_rows()
    grid = {"n_latents": [2, 4], "mu": [0.0, 0.3]}
    model = composed(
        SharpPCDensityCV, **SHARED, param_grid=grid, cv=[(np.arange(60), np.arange(60, 90))]
    )
    model.fit(X)
    for i, params in enumerate(model.params_):
        own = SharpPCDensity(**{**SHARED, **params}, feature_types="categorical").fit(X[:60])
        assert model.cv_sharpness_[i, 0] == own.sharpness(X[:60])
        train, test = own.score(X[:60]), own.score(X[60:])
        assert model.cv_overfitting_[i, 0] == (train - test) / abs(train)
        assert model.cv_results_["mean_train_sharpness"][i] == model.cv_sharpness_[i, 0]


def test_a_grid_of_mu_alone_is_the_same_as_mus():
    X = binary_rows()
    model, expected = chosen(mus=MUS).fit(X), composed(SharpPCDensityCV, **SHARED, cv=3)
    expected.set_params(param_grid={"mu": MUS[::-1]}).fit(X)
    assert model.mus_.tolist() == expected.mus_.tolist() == MUS
    assert np.array_equal(model.cv_log_likelihoods_, expected.cv_log_likelihoods_)
    assert model.params_ == expected.params_ == [{"mu": mu} for mu in MUS]


def test_a_warm_path_of_a_grid_starts_anew_where_other_parameters_change():
    X = binary_rows()
    grid = {"mu": MUS, "n_latents": [2, 3]}
    model = composed(SharpPCDensityCV, **SHARED, param_grid=grid, cv=3, warm_path=True).fit(X)
    for n_latents in 2, 3:
        own = chosen(mus=MUS, n_latents=n_latents, warm_path=True).fit(X)
        rows = [i for i, p in enumerate(model.params_) if p["n_latents"] == n_latents]
        assert [model.params_[i]["mu"] for i in rows] == MUS
        assert np.array_equal(model.cv_log_likelihoods_[rows], own.cv_log_likelihoods_)
        if model.best_params_["n_latents"] == n_latents:
            assert same_bits(model.circuit_, own.circuit_)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"mu": 0.1}, r"param_grid=\{'mu': 0\.1\} is no grid.*lists of their values"),
        ({"mu": []}, "param_grid=.*is no grid"),
        ({"mu": [0, -1]}, r"param_grid\['mu'\].*at least 0; got -1\.0 at position 1"),
        ({"n_latents": [2, 0]}, "'n_latents' parameter"),
        ({"n_states": [2]}, "Invalid parameter 'n_states'"),
        ({"feature_types": ["auto"]}, "cannot have feature_types.*cannot be compared"),
        ({"warm_start": [True]}, "cannot have warm_start"),
        ("mu", "'param_grid' parameter"),
    ],
)
def test_grids_that_cannot_be_searched(grid, message):
    model = composed(SharpPCDensityCV, **SHARED, param_grid=grid)
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        model.fit(binary_rows())
    assert not [name for name in vars(model) if name.endswith("_")]


def test_two_grids_cannot_act():
    with pytest.raises(ValueError, match=r"mus=\[0.*cannot act beside param_grid"):
        chosen(param_grid={"n_latents": [2]}).fit(binary_rows())


def test_a_search_over_a_grid_is_stored():
    model = composed(SharpPCDensityCV, **SHARED, param_grid=GRIDS["list"], cv=2).fit(binary_rows())
    again = pickle.loads(pickle.dumps(model))
    assert again.params_ == model.params_
    assert again.best_params_ == model.best_params_
    model.cv_sharpness_ = model.cv_sharpness_[1:]
    with pytest.raises(ValueError, match="cannot be read"):
        pickle.loads(pickle.dumps(model))
