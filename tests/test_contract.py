"""What users of scikit-learn rely on and its own checks do not see for a density."""

import os
import pickle
import subprocess
import sys

import cloudpickle
import joblib
import numpy as np
import pandas
import pytest
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer
from sklearn.utils import get_tags

from skpc import SharpPCDensity


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


QUERIES = {
    "score_samples": lambda model, X: model.score_samples(X),
    "score": lambda model, X: model.score(X),
    "sample": lambda model, X: model.sample(20, random_state=3),
    "hessian_trace": lambda model, X: model.hessian_trace(X),
    "sharpness": lambda model, X: model.sharpness(X),
}
each_query = pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())


def test_tags():
    tags = get_tags(SharpPCDensity())
    assert tags.estimator_type == "density_estimator"
    assert tags.input_tags.allow_nan
    assert not tags.input_tags.sparse


@each_query
@pytest.mark.parametrize("protocol", ["pickle", "cloudpickle", "joblib"])
def test_persisted_models_answer_the_same(query, protocol, fitted, X, tmp_path):
    if protocol == "joblib":  # its memory map makes every array read-only
        joblib.dump(fitted, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
        assert not again.circuit_.sum_weights.flags.writeable
    else:
        module = {"pickle": pickle, "cloudpickle": cloudpickle}[protocol]
        again = module.loads(module.dumps(fitted))
    assert np.array_equal(query(again, X), query(fitted, X))


@each_query
def test_refit_and_clone_give_the_same_bits(query, fitted, X):
    again = clone(fitted).fit(X).fit(X)
    assert np.array_equal(query(again, X), query(fitted, X))


@each_query
def test_another_seed_gives_another_model(query, fitted, X):
    assert not np.array_equal(query(estimator(random_state=1).fit(X), X), query(fitted, X))


@each_query
def test_threads_do_not_change_a_bit(query, fitted, X, monkeypatch):
    monkeypatch.setattr("skpc._threads._SERIAL_WORK", 0)  # or one thread would do it all
    assert np.array_equal(query(estimator(n_jobs=1).fit(X), X), query(fitted, X))
    assert np.array_equal(query(estimator(n_jobs=2).fit(X), X), query(fitted, X))


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


def test_frames_with_other_columns_are_refused(X):
    frame = as_frame(X).set_axis(list("abcdef"), axis=1)
    model = estimator().fit(frame)
    assert model.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        model.score_samples(frame[list("abcdfe")])


def test_grid_search_over_mu_and_n_latents_in_parallel(X):
    pipeline = make_pipeline(Binarizer(threshold=0.5), estimator())
    grid = {"sharppcdensity__mu": [0.0, 0.1], "sharppcdensity__n_latents": [1, 4]}
    serial = GridSearchCV(pipeline, grid, cv=3).fit(X)
    parallel = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X)
    scores = serial.cv_results_["mean_test_score"]
    assert len(set(scores)) >= 3
    assert serial.best_params_["sharppcdensity__n_latents"] == 4
    assert np.array_equal(scores, parallel.cv_results_["mean_test_score"])


def test_grid_search_in_threads(X):
    with joblib.parallel_backend("threading", n_jobs=2):
        threads = cross_val_score(estimator(), X, cv=4)
    assert np.array_equal(threads, cross_val_score(estimator(), X, cv=4))


def test_sample_weight_is_routed(X):
    weights = np.where(np.arange(90) % 2, 3.0, 0.0)
    with config_context(enable_metadata_routing=True):
        model = (
            estimator().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        search = GridSearchCV(model, {"mu": [0.05]}, cv=3).fit(X, sample_weight=weights)
        plain = GridSearchCV(model, {"mu": [0.05]}, cv=3).fit(X)
    expected = clone(model).fit(X, sample_weight=weights)
    assert np.array_equal(search.best_estimator_.score_samples(X), expected.score_samples(X))
    assert search.best_score_ != plain.best_score_


def test_sparse_input_is_refused_by_name(X):
    with pytest.raises(TypeError, match=r"(?i)sparse"):
        estimator().fit(csr_array(X))


def test_two_threads_fit_at_once(X):
    program = """
import threading, numpy as np
from skpc import SharpPCDensity
X = np.random.default_rng(0).integers(0, 2, (200, 20))
out = {}
def fit(name):
    out[name] = SharpPCDensity(4, max_iter=30, tol=0, random_state=0).fit(X).score(X)
threads = [threading.Thread(target=fit, args=(name,)) for name in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(out) == 4 and len(set(out.values())) == 1, out
"""
    environment = {**os.environ, "NUMBA_THREADING_LAYER": "workqueue"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
