"""What users of scikit-learn rely on and its own checks do not see for a density."""

import pickle
import warnings

import cloudpickle
import joblib
import numpy as np
import pandas
import pytest
import skops.io
from scipy.sparse import coo_array, csc_array, csr_array
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

import skpc
from skpc import SharpPCDensity
from skpc._links import DOCUMENTATION


@pytest.fixture(scope="module")
def X():
    generator = np.random.default_rng(0)
    latent = generator.integers(0, 2, 90)
    return (generator.random((90, 6)) < 0.2 + 0.6 * latent[:, None]).astype(np.int64)


@pytest.fixture(scope="module")
def fitted(X):
    return estimator().fit(X)


def estimator(**parameters):
    return SharpPCDensity(**{"n_latents": 4, "max_iter": 10, "random_state": 0, **parameters})


def mixed_frame():
    rng = np.random.default_rng(1)
    code = rng.integers(0, 3, 80)
    x = rng.normal(size=80) + code
    return pandas.DataFrame(
        {
            "label": pandas.Categorical.from_codes(code, ["a", "b", "c"]),
            "x": x,
            "y": x + 0.3 * rng.normal(size=80),
            "flag": rng.random(80) < 0.3 + 0.2 * code,
        }
    )


QUERIES = {
    "score_samples": lambda model, X: model.score_samples(X),
    "score": lambda model, X: model.score(X),
    "sample": lambda model, X: model.sample(20, random_state=3),
    "hessian_trace": lambda model, X: model.hessian_trace(X),
    "sharpness": lambda model, X: model.sharpness(X),
    "feature_contributions": lambda model, X: model.feature_contributions(X),
    "conditional": lambda model, X: model.conditional(X, 0),
    "latent_posterior": lambda model, X: model.latent_posterior(X, 0),
    "log_conditional": lambda model, X: model.log_conditional(X, np.where(X == 1, X, np.nan)),
    "given": lambda model, X: model.sample(2, random_state=3, given=np.where(X == 1, X, np.nan)),
    "marginal": lambda model, X: model.marginal([4, 1]).score_samples(X[:, [4, 1]]),
    "mutual_information": lambda model, X: model.mutual_information(),
    "aic": lambda model, X: model.aic(X),
    "bic": lambda model, X: model.bic(X),
}
each_query = pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())


def test_tags():
    tags = get_tags(SharpPCDensity())
    assert tags.estimator_type == "density_estimator"
    assert tags.input_tags.allow_nan
    assert tags.input_tags.sparse


def through_skops(model):
    data = skops.io.dumps(model)
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


@each_query
@pytest.mark.parametrize("protocol", ["pickle", "cloudpickle", "joblib", "skops"])
def test_persisted_models_answer_the_same(query, protocol, fitted, X, tmp_path):
    if protocol == "skops":
        again = through_skops(fitted)
    elif protocol == "joblib":  # its memory map makes every array read-only
        joblib.dump(fitted, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
        assert not again.circuit_.sum_weights.flags.writeable
    else:
        module = {"pickle": pickle, "cloudpickle": cloudpickle}[protocol]
        again = module.loads(module.dumps(fitted))
    assert np.array_equal(query(again, X), query(fitted, X))


@pytest.mark.parametrize("protocol", ["pickle", "skops"])
def test_a_persisted_model_of_a_mixed_frame_answers_the_same(protocol):
    X = mixed_frame()
    model = estimator(feature_groups=[["x", "y"]]).fit(X)
    again = through_skops(model) if protocol == "skops" else pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.score_samples(X), model.score_samples(X))
    drawn = model.sample(20, random_state=0)
    pandas.testing.assert_frame_equal(again.sample(20, random_state=0), drawn)
    assert np.array_equal(again.fit(X).score_samples(X), model.score_samples(X))


def test_a_model_of_another_version_warns_and_answers(fitted, X, monkeypatch):
    data = pickle.dumps(fitted)
    monkeypatch.setattr("skpc.__version__", "99.1")
    with pytest.warns(UserWarning, match=r"written by skpc \S+ and is read by 99\.1.*Fit it again"):
        again = pickle.loads(data)
    assert np.array_equal(again.score_samples(X), fitted.score_samples(X))


def test_a_model_of_this_version_does_not_warn(fitted):
    data = pickle.dumps(fitted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert vars(pickle.loads(data)).keys() == vars(fitted).keys()


@each_query
def test_refit_and_clone_give_the_same_bits(query, fitted, X):
    again = clone(fitted).fit(X).fit(X)
    assert np.array_equal(query(again, X), query(fitted, X))


@each_query
def test_another_seed_gives_another_model(query, fitted, X):
    assert not np.array_equal(query(estimator(random_state=1).fit(X), X), query(fitted, X))


def as_frame(X):
    return pandas.DataFrame(X)


def as_readonly(X):
    X = X.copy()
    X.flags.writeable = False
    return X


FORMS = {
    "float64": lambda X: X.astype(np.float64),
    "float32": lambda X: X.astype(np.float32),
    "int8": lambda X: X.astype(np.int8),
    "uint8": lambda X: X.astype(np.uint8),
    "bool": lambda X: X.astype(bool),
    "object": lambda X: X.astype(object),
    "list": lambda X: X.tolist(),
    "fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=0)[::2],
    "reversed": lambda X: X[:, ::-1][:, ::-1],
    "readonly": as_readonly,
    "frame": as_frame,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_the_form_of_the_table_does_not_matter(form, fitted, X):
    model = estimator().fit(form(X))
    assert np.array_equal(model.score_samples(form(X)), fitted.score_samples(X))
    assert np.array_equal(model.hessian_trace(form(X)), fitted.hessian_trace(X))
    assert np.array_equal(
        model.sample(5, random_state=0).astype(float), fitted.sample(5, random_state=0)
    )


@each_query
def test_queries_leave_the_model_alone(query, fitted, X):
    before = pickle.dumps(vars(fitted))
    query(fitted, X)
    assert pickle.dumps(vars(fitted)) == before


def test_fit_leaves_its_arguments_alone(X):
    X, weights = X.astype(float), np.arange(90.0)
    X[0, 0] = np.nan
    before = X.copy(), weights.copy()
    estimator().fit(X, sample_weight=weights)
    assert np.array_equal(X, before[0], equal_nan=True)
    assert np.array_equal(weights, before[1])


@pytest.mark.parametrize("container", [csr_array, csc_array])
def test_fit_and_scores_leave_a_sparse_table_alone(container, X):
    sparse = container(X)
    sparse.data[:5] = 0  # stored zeros, which tidying would drop
    data, indices = sparse.data.copy(), sparse.indices.copy()
    model = estimator().fit(sparse)
    model.score_samples(sparse), model.circuit_.inputs.encode(sparse)
    assert np.array_equal(sparse.data, data)
    assert np.array_equal(sparse.indices, indices)


def test_frames_with_other_columns_are_refused(X):
    frame = as_frame(X).set_axis(list("abcdef"), axis=1)
    model = estimator().fit(frame)
    assert model.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        model.score_samples(frame[list("abcdfe")])


# --- what scores mean ------------------------------------------------------------------


def test_information_criteria(fitted, X):
    total, free = fitted.score_samples(X).sum(), fitted.n_parameters
    # Root 3; five edges of 4 x 3; for each of 4 states six binary inputs.
    assert free == 3 + 5 * 12 + 4 * 6
    assert fitted.aic(X) == pytest.approx(-2 * total + 2 * free, rel=1e-14)
    assert fitted.bic(X) == pytest.approx(-2 * total + free * np.log(90), rel=1e-14)


def test_parameters_of_gaussians_are_counted():
    model = estimator(feature_groups=[["x", "y"]]).fit(mixed_frame())
    # Root 3; two edges of 4 x 3; for each of 4 states categories, two means and three
    # covariances, and a flag.
    assert model.n_parameters == 3 + 2 * 12 + 4 * (2 + 5 + 1)


def test_score_is_a_mean_in_nats():
    """One state and one fair coin: log 1/2 a row, whatever the number of rows."""
    X = np.array([[0], [1]] * 8)
    model = estimator(n_latents=1, pseudocount=0.0).fit(X)
    for n_rows in 1, 7, 16:
        assert model.score(X[:n_rows]) == pytest.approx(-np.log(2), rel=1e-14)


def test_score_of_a_continuous_column_is_its_log_density():
    """One state without shrinkage: the normal density with the sample's moments."""
    X = np.random.default_rng(0).normal(3, 0.01, (50, 1))
    model = estimator(n_latents=1, shrinkage=0.0).fit(X)
    expected = norm(X.mean(), X.std()).logpdf(X[:, 0])
    np.testing.assert_allclose(model.score_samples(X), expected, rtol=1e-10)
    assert model.score(X) > 0


def test_score_weights_rows(fitted, X):
    weights = np.where(np.arange(90) < 30, 2.0, 0.0)
    assert fitted.score(X, sample_weight=weights) == pytest.approx(fitted.score(X[:30]), rel=1e-13)


def test_score_ignores_y(fitted, X):
    assert fitted.score(X, np.arange(90)) == fitted.score(X)


# --- in company ------------------------------------------------------------------------


def test_sample_weight_is_routed(X):
    weights = np.where(np.arange(90) % 2, 3.0, 0.0)
    with config_context(enable_metadata_routing=True):
        model = (
            estimator().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        search = GridSearchCV(model, {"mu": [0.05]}, cv=3).fit(X, sample_weight=weights)
        plain = GridSearchCV(model, {"mu": [0.05]}, cv=3).fit(X)
    expected = clone(model).set_params(mu=0.05).fit(X, sample_weight=weights)
    assert np.array_equal(search.best_estimator_.score_samples(X), expected.score_samples(X))
    assert search.best_score_ != plain.best_score_


@pytest.mark.parametrize("kind", [csr_array, csc_array, coo_array])
def test_a_sparse_table_gives_the_bits_of_the_dense_one(kind, fitted, X):
    model = estimator().fit(kind(X))
    assert np.array_equal(model.score_samples(kind(X)), fitted.score_samples(X))
    assert np.array_equal(model.score_samples(X), fitted.score_samples(X))
    for query in ("feature_contributions", "conditional", "latent_posterior"):
        assert np.array_equal(QUERIES[query](model, kind(X)), QUERIES[query](fitted, X))
    groups = {"some": [0, 3]}
    assert np.array_equal(
        model.feature_contributions(kind(X), groups), fitted.feature_contributions(X, groups)
    )


@pytest.mark.parametrize("name", [name for name in skpc.__all__ if name.startswith("Sharp")])
def test_the_html_of_an_estimator_links_to_its_page(name):
    html = getattr(skpc, name)()._repr_html_()
    assert f'href="{DOCUMENTATION}generated/skpc.{name}.html"' in html
