"""Tables with next to nothing in them, or with too much: an answer or one error, everywhere."""

import numpy as np
import pandas
import pytest
from sklearn.frozen import FrozenEstimator

from skpc import (
    SharpPCClassifier,
    SharpPCDensity,
    SharpPCDensityCV,
    SharpPCImputer,
    SharpPCMissingnessDensity,
    SharpPCOutlierDetector,
)

N_ROWS = 20
FRAME = pandas.DataFrame(
    {
        "code": np.arange(N_ROWS) % 3,
        "label": ["x", "y"] * (N_ROWS // 2),
        "size": np.arange(N_ROWS) * 1.5,
    }
)
NOTHING = pandas.DataFrame({"code": [np.nan] * 3, "label": [None] * 3, "size": [np.nan] * 3})


def density():
    return SharpPCDensity(2, max_iter=3, tol=0.0, random_state=0)


KINDS = {
    "density": density,
    "detector": lambda: SharpPCOutlierDetector(density()),
    "default detector": lambda: SharpPCOutlierDetector(random_state=0),
    "imputer": lambda: SharpPCImputer(density()),
    "classifier": lambda: SharpPCClassifier(density()),
    "missingness": lambda: SharpPCMissingnessDensity(density()),
    "search": lambda: SharpPCDensityCV(density(), mus=[0.0, 0.1], cv=2),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def fitted(kind, X):
    model = KINDS[kind]()
    return model.fit(X, np.arange(len(X)) % 2) if kind == "classifier" else model.fit(X)


def asked(kind, model, X):
    """What a model is for: an array with a finite number, or a frame with a row, for each row."""
    if kind == "imputer":
        filled = model.transform(X)
        assert not filled.isna().any().any()
        return filled
    if kind == "classifier":
        probabilities = model.predict_proba(X)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
        return probabilities
    assert model.sample(3, random_state=0).shape == (3, 3)
    scores = model.score_samples(X)
    assert np.isfinite(scores).all()
    return scores


REFUSED = {
    "no row": (FRAME[:0], "X has 0 rows, of 3 columns"),
    "no column": (FRAME[[]], r"0 feature\(s\) \(shape=\(20, 0\)\)"),
    "no value": (FRAME.assign(label=None), "no value in column 'label'"),
    "a name twice": (
        pandas.DataFrame(FRAME.to_numpy(), columns=["code", "label", "code"]),
        "the name of column 'code' twice, at the positions 0 and 2",
    ),
    "numbers and strings": (
        FRAME.assign(label=np.array([1, "x"] * (N_ROWS // 2), object)),
        "in column 'label' that are neither all numbers nor all strings",
    ),
}


@each_kind
@pytest.mark.parametrize(("X", "message"), REFUSED.values(), ids=REFUSED)
def test_one_error_says_what_cannot_be_learnt(kind, X, message):
    if kind == "imputer" and message.startswith("no value"):
        with pytest.warns(UserWarning, match=message):
            assert [*fitted(kind, X).transform(X).columns] == ["code", "size"]
        return
    with pytest.raises(ValueError, match=message) as caught:
        fitted(kind, X)
    assert str(caught.value).count("\n") == 0


@each_kind
def test_one_row_is_a_table(kind):
    if kind == "search":
        with pytest.raises(ValueError, match="cv=2 cannot split the 1 rows of X"):
            fitted(kind, FRAME[:1])
        return
    X = FRAME[:1]
    model = fitted(kind, X)
    assert len(asked(kind, model, X)) == 1
    if kind == "density":  # whatever it is, it is what is expected
        assert model.score(X) == 0.0


@each_kind
def test_rows_without_any_value_tell_nothing_of_the_others(kind):
    X = pandas.concat([FRAME, NOTHING], ignore_index=True)
    model = fitted(kind, X)
    found = asked(kind, model, X)
    assert len(found) == N_ROWS + 3
    if kind == "density":  # what is summed out has probability one
        np.testing.assert_allclose(found[-3:], 0.0, atol=1e-12)
    if kind == "classifier":
        np.testing.assert_allclose(found[-3:], [model.class_prior_] * 3, rtol=1e-9)
    if kind == "missingness":  # that nothing is there is data: its probability is learnt
        np.testing.assert_allclose(found[-3:], found[-1])
        assert -4.0 < found[-1] < -1.0


@each_kind
def test_a_query_of_no_row_names_the_estimator_that_was_asked(kind):
    model = fitted(kind, FRAME)
    name = type(model).__name__
    with pytest.raises(ValueError, match=rf"0 rows, of 3 columns: {name} needs one"):
        asked(kind, model, FRAME[:0])


@each_kind
def test_a_query_of_other_columns_names_the_estimator_that_was_asked(kind):
    model = fitted(kind, FRAME)
    with pytest.raises(ValueError, match="feature names should match"):
        asked(kind, model, FRAME.rename(columns={"size": "weight"}))
    with (
        pytest.raises(ValueError, match="is no frame, but fit saw labels"),
        pytest.warns(UserWarning, match=f"but {type(model).__name__} was fitted with"),
    ):
        asked(kind, model, FRAME[["code", "size", "code"]].to_numpy())


def test_a_frozen_density_is_not_the_one_that_was_given_the_table():
    imputer = SharpPCImputer(FrozenEstimator(density().fit(FRAME)))
    with pytest.raises(ValueError, match=r"0 rows.* SharpPCImputer needs"):
        imputer.fit(FRAME[:0])
    with pytest.raises(ValueError, match="feature names should match"):
        imputer.fit(FRAME.rename(columns={"size": "weight"}))
    assert not hasattr(imputer, "n_features_in_")


def test_a_question_to_the_density_within_names_that():
    detector = fitted("detector", FRAME)
    with pytest.raises(ValueError, match=r"0 rows.* SharpPCDensity needs"):
        detector.estimator_.score_samples(FRAME[:0])
