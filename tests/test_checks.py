"""Messages show plain values."""

import re
from collections import namedtuple
from pathlib import Path

import numpy as np
import pandas
import pytest

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
