"""What users of scikit-learn rely on and its own checks do not see for a density."""

import importlib
import itertools
import pickle
import pickletools
import re
import warnings

import cloudpickle
import joblib
import numpy as np
import pandas
import pytest
import skops.io
from helpers import no_shrinkage
from scipy.sparse import coo_array, csc_array, csr_array, issparse
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

import skpc
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
    "conditional_probabilities": lambda model, X: model.conditional_probabilities(X, 0),
    "conditional_moments": lambda model, X: model.conditional_moments(X, 0).mean,
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
    return skops.io.loads(skops.io.dumps(model), trusted=skpc.SKOPS_TRUSTED_TYPES)


def through_joblib(model, path, mmap_mode):
    joblib.dump(model, path / "model.joblib")
    return joblib.load(path / "model.joblib", mmap_mode=mmap_mode)


PROTOCOLS = {
    "pickle": lambda model, path: pickle.loads(pickle.dumps(model)),
    "cloudpickle": lambda model, path: cloudpickle.loads(cloudpickle.dumps(model)),
    "joblib": lambda model, path: through_joblib(model, path, None),
    "mapped": lambda model, path: through_joblib(model, path, "r"),
    "skops": lambda model, path: through_skops(model),
}


@each_query
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_persisted_models_answer_the_same(query, protocol, fitted, X, tmp_path):
    again = protocol(fitted, tmp_path)
    assert np.array_equal(query(again, X), query(fitted, X))


def test_a_memory_map_stays_one(fitted, tmp_path):
    again = through_joblib(fitted, tmp_path, "r")
    assert isinstance(again.circuit_.sum_weights, np.memmap)
    assert not again.circuit_.sum_weights.flags.writeable


@pytest.mark.parametrize("protocol", ["pickle", "skops"])
def test_a_persisted_model_of_a_mixed_frame_answers_the_same(protocol, tmp_path):
    X = mixed_frame()
    model = estimator(feature_groups=[["x", "y"]]).fit(X)
    again = PROTOCOLS[protocol](model, tmp_path)
    assert np.array_equal(again.score_samples(X), model.score_samples(X))
    drawn = model.sample(20, random_state=0)
    pandas.testing.assert_frame_equal(again.sample(20, random_state=0), drawn)
    assert np.array_equal(again.fit(X).score_samples(X), model.score_samples(X))


def every_column():
    """A frame with a column of every type, holes in some."""
    X = mixed_frame()
    levels = pandas.CategoricalDtype(["low", "mid", "high"], ordered=True)
    code = X["label"].cat.codes.to_numpy()
    named = np.array(["low", "mid", "high"])[code]
    return X.assign(
        ordered=pandas.Series(named).astype(levels),
        grade=pandas.Series(named[::-1].copy()).astype(levels),
        count=pandas.array(code + (X["x"] > 0), "Int64"),
        text=np.array(["r", "s", None], object)[code],
        z=X["x"].where(X["x"] < 2).to_numpy(),
    )


def every_column_of_polars():
    polars = pytest.importorskip("polars")
    X = every_column()
    names = {"label": ["a", "b", "c"], "grade": ["low", "mid", "high"]}
    return polars.DataFrame(
        {name: polars.Series(X[name].astype(object).tolist(), dtype=polars.Enum(values))
         for name, values in names.items()}
        | {name: X[name].to_numpy() for name in ("x", "y", "flag")}
        | {"text": X["text"].fillna("r").tolist(), "count": X["count"].to_numpy(np.int64)}
    )  # fmt: skip


def numbers():
    """Two columns of categories, two of levels, two of measurements, all of one array."""
    X = every_column()
    code = X["label"].cat.codes
    columns = [code, X["flag"], X["count"], 2 * code + X["flag"], X["x"], X["y"]]
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


def spiked():
    """Counts, cents with zeros, a constant, and measurements with a spike and a hole."""
    rng = np.random.default_rng(2)
    x = rng.lognormal(size=(80, 2))
    X = np.stack([rng.poisson(20, 80), np.round(x[:, 0], 2), np.full(80, 2.5), x[:, 1]], axis=1)
    X[::3, [1, 3]] = 0.0
    X[5, 3] = np.nan
    return X


LEVELS = {2: "binomial", 3: "binomial"}
MODELS = {
    "array": lambda: (estimator(feature_types=LEVELS).fit(numbers()), numbers()),
    "categories": lambda: (estimator().fit(numbers()[:, :2]), numbers()[:, :2]),
    "levels": lambda: (estimator(feature_types="binomial").fit(numbers()[:, :4]), numbers()[:, :4]),
    "continuous": lambda: (estimator().fit(numbers()[:, 4:5]), numbers()[:, 4:5]),
    "group": lambda: (estimator(feature_groups=[[4, 5]]).fit(numbers()), numbers()),
    "sparse": lambda: (
        estimator(feature_types=LEVELS).fit(csr_array(numbers())), csr_array(numbers()),
    ),
    "gaussian": lambda: (
        estimator(feature_types={4: "gaussian", 5: "gaussian"}).fit(numbers()), numbers(),
    ),
    "gaussian and numeric": lambda: (
        estimator(feature_types={4: "gaussian"}, feature_groups=[[2, 4], [3, 5]]).fit(numbers()),
        numbers(),
    ),
    "lattices and atoms": lambda: (
        estimator(feature_types="numeric").fit(spiked()), spiked(),
    ),
    "stack": lambda: (
        SharpPCDensity(max_iter=5, random_state=0).fit(every_column()), every_column(),
    ),
    "pandas": lambda: (
        estimator(feature_types={"grade": "binomial"}).fit(every_column()), every_column(),
    ),
    "polars": lambda: (estimator().fit(every_column_of_polars()), every_column_of_polars()),
    "chain": lambda: (estimator(structure="chain", feature_types=LEVELS).fit(numbers()), numbers()),
    "star": lambda: (estimator(structure="star", feature_types=LEVELS).fit(numbers()), numbers()),
    "rat": lambda: (
        estimator(structure="rat", n_components=2, feature_types=LEVELS).fit(numbers()), numbers(),
    ),
    "parents": lambda: (
        estimator(structure=[1, -1, 1, 2, 2, 0], feature_types=LEVELS).fit(numbers()), numbers(),
    ),
    "mixture": lambda: (estimator(n_components=2, feature_types=LEVELS).fit(numbers()), numbers()),
    "marginal": lambda: (
        estimator(feature_types=LEVELS).fit(numbers()).marginal([5, 2, 0]), numbers()[:, [5, 2, 0]],
    ),
    "adam": lambda: (estimator(solver="adam", feature_types=LEVELS).fit(numbers()), numbers()),
    "exact": lambda: (estimator(multiplier="exact", mu=1e-4).fit(numbers()), numbers()),
    "batches": lambda: (
        estimator(batch_size=20, dtype="float32", pseudocount=0).fit(numbers()), numbers(),
    ),
    "wide": lambda: (estimator(n_latents=40, init="random").fit(numbers()), numbers()),
    "cv": lambda: (
        skpc.SharpPCDensityCV(estimator(), mus=[0, 0.1], cv=2).fit(numbers()),
        numbers(),
    ),
    "outliers": lambda: (
        skpc.SharpPCOutlierDetector(estimator(n_components=2)).fit(numbers()),
        numbers(),
    ),
    "imputer": lambda: (skpc.SharpPCImputer(estimator()).fit(every_column()), every_column()),
    "missingness": lambda: (
        skpc.SharpPCMissingnessDensity(estimator(feature_types=LEVELS)).fit(numbers()), numbers(),
    ),
    "frozen": lambda: (
        skpc.SharpPCImputer(FrozenEstimator(estimator().fit(numbers()))).fit(numbers()), numbers(),
    ),
    "classifier": lambda: (
        skpc.SharpPCClassifier(estimator()).fit(every_column()[["x", "y", "flag"]], CLASSES),
        every_column()[["x", "y", "flag"]],
    ),
    "shared": lambda: (
        skpc.SharpPCClassifier(estimator(), joint=False, share_structure=True).fit(
            numbers()[:, 2:], CLASSES
        ),
        numbers()[:, 2:],
    ),
}  # fmt: skip
CLASSES = np.array(["few", "many"])[(np.arange(80) % 5 > 1).astype(int)]


@pytest.fixture(scope="module", params=MODELS)
def model_and_table(request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MODELS[request.param]()


def answer(model, X):
    """What a model has been fitted for, as numbers or a table that can be compared."""
    if isinstance(model, skpc.SharpPCClassifier):
        return model.predict_joint_log_proba(X)
    if isinstance(model, skpc.SharpPCImputer):
        return np.asarray(model.transform(X), object)
    return model.score_samples(X)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_every_kind_of_model_answers_the_same_from_a_file(protocol, model_and_table, tmp_path):
    model, X = model_and_table
    again = protocol(model, tmp_path)
    assert np.array_equal(answer(again, X), answer(model, X))
    if isinstance(model, SharpPCDensity):
        drawn = [one.sample(7, random_state=0) for one in (again, model)]
        assert np.array_equal(*(to_numbers(table) for table in drawn))


def to_numbers(table):
    return table.toarray() if issparse(table) else np.asarray(table, object)


def test_the_types_that_skops_is_to_trust_are_listed(model_and_table):
    model, _ = model_and_table
    found = skops.io.get_untrusted_types(data=skops.io.dumps(model))
    assert {*found} <= {*skpc.SKOPS_TRUSTED_TYPES}


def test_a_file_names_no_part_of_a_circuit_or_of_columns(model_and_table):
    """Their states are plain: parts may be renamed, and moved, and files are read all the same."""
    model, _ = model_and_table
    texts = {text for _, text, _ in pickletools.genops(pickle.dumps(model)) if type(text) is str}
    modules = {text for text in texts if text.startswith("skpc.") and not text.endswith(".html")}
    assert modules == {"skpc.circuit"}


def test_the_listed_types_exist_and_are_ours():
    assert len(set(skpc.SKOPS_TRUSTED_TYPES)) == len(skpc.SKOPS_TRUSTED_TYPES)
    for path in skpc.SKOPS_TRUSTED_TYPES:
        module, _, name = path.rpartition(".")
        assert getattr(importlib.import_module(module), name).__module__ == module
        assert module.partition(".")[0] == "skpc"


def test_a_model_without_refit_can_be_persisted(tmp_path):
    model = skpc.SharpPCDensityCV(estimator(), mus=[0, 0.1], cv=2, refit=False).fit(numbers())
    for protocol in PROTOCOLS.values():
        assert np.array_equal(
            protocol(model, tmp_path).cv_log_likelihoods_, model.cv_log_likelihoods_
        )


# --- files that were tampered with -------------------------------------------------------


class Stored:
    """What a pickle has of an object: its class and its state, which may be another one."""

    def __init__(self, kind, state):
        self.kind, self.state = kind, state

    def __reduce__(self):
        return object.__new__, (self.kind,), self.state


def parts_of(thing):
    """What is stored of an object, a dict or a sequence, by keys or positions; or None."""
    if isinstance(thing, Stored):
        return thing.state
    if isinstance(thing, dict):
        return thing
    if isinstance(thing, (tuple, list)):
        return dict(enumerate(thing))
    return thing.__getstate__() if type(thing).__module__.partition(".")[0] == "skpc" else None


def stored_arrays(thing, path=()):
    """Every array that is stored of an object, with a path of names, keys and positions."""
    if isinstance(thing, np.ndarray):
        yield path, thing
    else:
        for key, value in (parts_of(thing) or {}).items():
            yield from stored_arrays(value, (*path, key))


def places(thing):
    """Where every array is that is stored of an object."""
    return [path for path, _ in stored_arrays(thing)]


def with_changed(thing, path, change):
    """A shallow copy of what is stored of an object, with something else at the end of a path."""
    if not path:
        return change(thing)
    parts = parts_of(thing)
    parts = {**parts, path[0]: with_changed(parts[path[0]], path[1:], change)}
    if isinstance(thing, dict):
        return parts
    if isinstance(thing, (tuple, list)):
        return type(thing)(parts.values())
    return Stored(thing.kind if isinstance(thing, Stored) else type(thing), parts)


def strided(values):
    return np.repeat(values, 2, axis=0)[::2]


def offset(values):
    """The same values, at an address that is no multiple of their size."""
    if values.dtype.hasobject:
        return values
    room = np.zeros(values.nbytes + 1, np.uint8)
    room[1:] = np.frombuffer(values.tobytes(), np.uint8)
    return room[1:].view(values.dtype).reshape(values.shape)


SAME_VALUES = {
    "fortran": np.asfortranarray,
    "strided": strided,
    "reversed": lambda v: v[::-1].copy()[::-1],
    "swapped": lambda v: v.astype(v.dtype.newbyteorder()),
    "readonly": lambda v: as_readonly(v),
    "offset": offset,
}
OTHER_VALUES = {
    "shorter": lambda v: v[:-1],
    "longer": lambda v: np.concatenate([v, v]),
    "one longer": lambda v: np.concatenate([v, v[:1]]),
    "much longer": lambda v: np.concatenate([v] * 500),
    "empty": lambda v: v[:0],
    "narrower": lambda v: v[..., :-1],
    "wider": lambda v: np.concatenate([v, v, v], axis=-1),
    "deeper": lambda v: v[None],
    "flat": np.ravel,
    "scalar": lambda v: np.array(v.ravel()[0] if v.size else 0),
    "transposed": lambda v: np.ascontiguousarray(v.T),
    "upside down": lambda v: np.ascontiguousarray(v[::-1]),
    "float32": lambda v: as_numbers(v).astype(np.float32),
    "float64": lambda v: as_numbers(v).astype(np.float64),
    "longdouble": lambda v: as_numbers(v).astype(np.longdouble),
    "complex": lambda v: as_numbers(v).astype(complex),
    "int64": lambda v: as_numbers(v).astype(np.int64),
    "int8": lambda v: as_numbers(v).astype(np.int8),
    "uint64": lambda v: np.abs(as_numbers(v)).astype(np.uint64),
    "bool": lambda v: as_numbers(v).astype(bool),
    "object": lambda v: v.astype(object),
    "text": lambda v: v.astype(str),
    "dates": lambda v: as_numbers(v).astype(np.int64).view("M8[s]"),
    "nan": lambda v: np.full(v.shape, np.nan),
    "one nan": lambda v: with_last(as_numbers(v) * 1.0, np.nan),
    "inf": lambda v: np.full(v.shape, np.inf),
    "zero": lambda v: as_numbers(v) * 0,
    "negative": lambda v: -as_numbers(v) - 1,
    "last negative": lambda v: with_last(as_numbers(v), -(10**7)),
    "huge": lambda v: np.full(v.shape, 2**62 if v.dtype.kind == "i" else 1e300),
    "last large": lambda v: with_last(as_numbers(v), 10**7),
    "first again": lambda v: with_last(v, v[:1].ravel()[:1] if v.size else 0),
    "subclass": lambda v: v.view(np.recarray),
    "masked": np.ma.masked_array,
    "list": lambda v: v.tolist(),
    "none": lambda v: None,
    "number": lambda v: 3.0,
}


def as_numbers(values):
    """The array, or if it is of labels as many numbers."""
    return np.arange(values.size).reshape(values.shape) if values.dtype.kind in "OU" else values


def with_last(values, value):
    values = values.copy()
    if values.size:
        values.reshape(-1)[-1:] = value
    return values


def asked(model, X):
    """What may be read out of bounds: the answers of a model to all kinds of queries."""
    found = {"answer": answer(model, X)}
    if isinstance(model, SharpPCDensity):
        found["sample"] = to_numbers(model.sample(len(found["answer"]), random_state=0))
        found["trace"] = model.hessian_trace(X)
        found["contributions"] = np.asarray(model.feature_contributions(X))
        found["posterior"] = model.latent_posterior(X, 0)
        found["marginal"] = model.marginal([0]).circuit_.root_weights
    return found


def small_frame():
    return every_column()[["label", "x", "y", "grade"]]


def frame_of_spikes():
    levels = pandas.CategoricalDtype(["low", "mid", "high"], ordered=True)
    grade = every_column()["grade"].astype(levels)
    return pandas.DataFrame(spiked(), columns=["n", "cents", "two", "z"]).assign(grade=grade)


TAMPERED = {
    "numeric": lambda: estimator(max_iter=3).fit(frame_of_spikes()[["n", "cents", "z", "grade"]]),
    "density": lambda: estimator(
        feature_types={"grade": "binomial"}, feature_groups=[["x", "y"]], max_iter=3
    ).fit(small_frame()),
    "rat": lambda: estimator(structure="rat", n_components=1, max_iter=3).fit(small_frame()),
    "cv": lambda: skpc.SharpPCDensityCV(estimator(max_iter=2), mus=[0, 0.1], cv=2).fit(
        small_frame()[["label", "x"]]
    ),
    "classifier": lambda: skpc.SharpPCClassifier(estimator(max_iter=2)).fit(
        small_frame()[["label", "x"]], CLASSES
    ),
}
OF_MARGINS = "numeric", "density"  # the margins of the others are stored as theirs


@pytest.fixture(scope="module", params=TAMPERED)
def tampered(request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = TAMPERED[request.param]()
    frame = small_frame() if "n" not in model.feature_names_in_ else frame_of_spikes()
    rows = frame.iloc[:6][list(model.feature_names_in_)]
    return model, rows, asked(model, rows)


def arrays_of(model):
    """The bits of all arrays of a model, and how they lie in memory."""
    arrays = [array for _, array in stored_arrays(model)]
    return [(a.dtype, a.shape, a.flags.c_contiguous, pickle.dumps(a.tolist())) for a in arrays]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_other_arrays_are_refused_or_answered_in_the_right_shape(tampered, request):
    """Kernels do not look at bounds: one that is let through may end the process."""
    model, X, expected = tampered
    same, messages = arrays_of(model), []
    paths = [path for path in places(model) if path[:2] != ("estimators_", 0)]  # like the other
    if request.node.callspec.params["tampered"] not in OF_MARGINS:
        paths = [path for path in paths if "margin" not in str(path)]
    # Where the values of a margin are is told as of all arrays.
    paths = [p for p in paths if not re.search("margin.*/(regions|shapes)$", str(p[-1]))]
    for path, change in itertools.product(paths, OTHER_VALUES.values()):
        try:
            data = pickle.dumps(with_changed(model, path, change))
        except (TypeError, ValueError):
            continue  # no such thing can be made of this array
        try:
            again = pickle.loads(data)
        except ValueError as error:
            messages.append(str(error))
            continue
        if arrays_of(again) != same:
            found = {key: np.shape(part) for key, part in asked(again, X).items()}
            assert found == {key: np.shape(part) for key, part in expected.items()}
    assert len(messages) > 300
    for message in messages:
        assert "cannot be read: " in message
        assert "The file is damaged or was written by other code" in message


@pytest.mark.parametrize("change", SAME_VALUES.values(), ids=SAME_VALUES)
def test_the_same_values_laid_out_otherwise_give_the_same_answers(change, tampered):
    model, X, expected = tampered
    for path in places(model):
        model = with_changed(model, path, change)
    found = asked(pickle.loads(pickle.dumps(model)), X)
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


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


def test_score_of_a_continuous_column_is_its_log_density(monkeypatch):
    """One state without shrinkage: the normal density with the sample's moments."""
    no_shrinkage(monkeypatch)
    X = np.random.default_rng(0).normal(3, 0.01, (50, 1))
    model = estimator(n_latents=1, feature_types="gaussian").fit(X)
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
    for query in ("feature_contributions", "conditional_probabilities", "latent_posterior"):
        assert np.array_equal(QUERIES[query](model, kind(X)), QUERIES[query](fitted, X))
    groups = {"some": [0, 3]}
    assert np.array_equal(
        model.feature_contributions(kind(X), groups), fitted.feature_contributions(X, groups)
    )


@pytest.mark.parametrize("name", [name for name in skpc.__all__ if name.startswith("Sharp")])
def test_the_html_of_an_estimator_links_to_no_page_that_is_not_published(name):
    html = getattr(skpc, name)()._repr_html_()
    assert name in html
    assert "href" not in html
