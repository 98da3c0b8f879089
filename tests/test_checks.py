"""Messages show plain values, and warnings the line of whoever called."""

import pickle
import re
import warnings
from collections import namedtuple
from pathlib import Path
from threading import Thread

import joblib
import numpy as np
import pandas
import pytest
import skops.io
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skpc
from skpc import SharpPCClassifier, SharpPCDensity
from skpc._checks import shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), "3"),
        (np.float32(0.5), "0.5"),
        (np.longdouble(0.5), "0.5"),
        (np.str_("yes"), "'yes'"),
        (np.bool_(True), "True"),
        ([np.int8(1), (np.float64(0.5), {np.str_("a")})], "[1, (0.5, {'a'})]"),
        ({np.str_("a"): np.int64(1)}, "{'a': 1}"),
        (np.array([[1.5, 2.0]]), "[[1.5, 2.0]]"),
        ("a", "'a'"),
        (None, "None"),
        (namedtuple("Pair", "a b")(1, 2), "Pair(a=1, b=2)"),
    ],
)
def test_values_are_shown_plainly(value, expected):
    assert shown(value) == expected


def density(**parameters):
    return SharpPCDensity(2, **{"max_iter": 2, "tol": 0.0, "random_state": 0, **parameters})


X = np.array([[0.0, 0.5], [1.0, 1.5], [0.0, 2.5], [1.0, 3.5]] * 5)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: m.conditional_moments(X, np.int64(7)), "names 7,"),
        (lambda m: m.marginal(np.array([0, 0])), r"got \[0, 0\]"),
        (lambda m: m.marginal([np.str_("x")]), "names 'x'"),
        (lambda m: m.sample(np.int64(0)), "got 0"),
        (lambda m: m.marginal(np.int64(1)), "got 1"),
        (lambda m: m.marginal(None), "got None"),
        (lambda m: m.feature_contributions(X, {np.str_("g"): np.array([9])}), r"groups\['g'\]"),
        (lambda m: density(feature_groups=[np.int64(0)]).fit(X), "the element 0"),
        (lambda m: density(structure=[np.int64(0), np.float64(0.5)]).fit(X), r"\[0, 0.5\]"),
        (lambda m: density(warm_start=True).fit(X).fit(X + np.array([2, 0])), "not known: 2 in"),
        (
            lambda m: SharpPCClassifier(density(), priors=np.array([0.5, 0.6])).fit(
                X, X[:, 0].astype(int)
            ),
            r"got \[0.5, 0.6\]",
        ),
    ],
)
def test_messages_show_plain_values(ask, message):
    with pytest.raises(ValueError, match=message) as caught:
        ask(density().fit(X))
    assert "np." not in str(caught.value)


def test_a_class_is_shown_plainly():
    y = np.array(["no"] + ["yes"] * (len(X) - 1))  # of one row none can be held out
    template = density(early_stopping=True)
    with pytest.raises(ValueError, match="'no'") as caught:
        SharpPCClassifier(template, joint=False).fit(pandas.DataFrame(X, columns=["a", "b"]), y)
    assert "np." not in str(caught.value)


def test_no_message_shows_values_by_their_bare_repr():
    """`shown` does it, but for what can be no NumPy scalar: names, errors and estimators."""
    harmless = {"name", "error", "text", "estimator", "search", "str(value)", "missing[0]"}
    for path in Path(skpc.__file__).parent.rglob("*.py"):
        found = set(re.findall(r"\{([^{}]+)!r\}", path.read_text()))
        assert found <= harmless, (path, found - harmless)


def unfinished():
    """A density that warns, of a bound on iterations that was its user's."""
    return SharpPCDensity(2, max_iter=2, early_stopping=False, random_state=0)


def fitted_with(backend):
    search = GridSearchCV(unfinished(), {"mu": [0.0]}, cv=2, n_jobs=1)
    with joblib.parallel_config(backend=backend):
        return search.fit(X)


NAMES = pandas.DataFrame({"name": [f"row {i}" for i in range(40)], "x": np.arange(40.0)})


@pytest.mark.parametrize(
    "ask",
    [
        lambda: unfinished().fit(X),
        lambda: make_pipeline(StandardScaler(), unfinished()).fit(X),
        lambda: GridSearchCV(unfinished(), {"mu": [0.0]}, cv=2).fit(X),
        lambda: fitted_with("sequential"),
        lambda: GridSearchCV(
            make_pipeline(StandardScaler(), SharpPCClassifier(unfinished())), {}, cv=2
        ).fit(X, np.arange(len(X)) % 2),
        lambda: density().fit(NAMES),
        lambda: density().fit(X, sample_weight=np.full(len(X), 1e-3)),
        lambda: skpc.SharpPCImputer(density()).fit(np.hstack([X, np.full((len(X), 1), np.nan)])),
    ],
    ids=["fit", "pipeline", "search", "sequential", "classifier", "names", "weights", "imputer"],
)
def test_a_warning_names_the_line_of_whoever_called(ask):
    with pytest.warns() as record:
        ask()
    assert {warning.filename for warning in record} == {__file__}


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (lambda model, path: joblib.dump(model, path), joblib.load),
        (
            lambda model, path: path.write_bytes(pickle.dumps(model)),
            lambda path: pickle.loads(path.read_bytes()),
        ),
        (
            lambda model, path: skops.io.dump(model, path),
            lambda path: skops.io.load(path, trusted=skpc.SKOPS_TRUSTED_TYPES),
        ),
    ],
    ids=["joblib", "pickle", "skops"],
)
def test_a_file_of_another_version_warns_where_it_is_read(tmp_path, monkeypatch, write, read):
    path = tmp_path / "model"
    monkeypatch.setattr("skpc.__version__", "0.0.1")
    write(density().fit(X), path)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match=r"written by skpc 0\.0\.1") as record:
        read(path)
    assert {warning.filename for warning in record} == {__file__}


def test_a_worker_warns_in_the_name_of_the_package():
    """There is no line of the user's; those of what runs workers would say less."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        worker = Thread(target=unfinished().fit, args=(X,))
        worker.start()
        worker.join()
    assert record
    package = Path(skpc.__file__).parent
    assert all(Path(warning.filename).is_relative_to(package) for warning in record)
