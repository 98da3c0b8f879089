"""Behind steps of scikit-learn: what they make of a table with strings, and sparse frames."""

import numpy as np
import pandas
import polars
import pytest
from scipy.sparse import csr_array, issparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from skpc import SharpPCDensity, SharpPCImputer

N_ROWS = 60


def frame():
    rng = np.random.default_rng(0)
    return pandas.DataFrame(
        {
            "x": rng.normal(size=N_ROWS),
            "k": rng.integers(0, 3, N_ROWS),
            "s": rng.choice(["a", "b"], N_ROWS),
            "t": rng.choice(np.array(["u", "v", None], object), N_ROWS),
        }
    )


def density():
    return SharpPCDensity(2, max_iter=3, tol=0.0, random_state=0)


NUMBERS = "passthrough", ["x", "k"]
CODED = {
    "one-hot": make_column_transformer((OneHotEncoder(sparse_output=False), ["s", "t"]), NUMBERS),
    "ordinal": make_column_transformer((OrdinalEncoder(), ["s", "t"]), NUMBERS),
}
OF_LABELS = {
    "simple": make_column_transformer(
        (SimpleImputer(strategy="most_frequent"), ["t"]),
        ("passthrough", ["s"]),
    ),
    "scaled": make_column_transformer((StandardScaler(), ["x"]), remainder="passthrough"),
}


@pytest.mark.parametrize("transformer", CODED.values(), ids=CODED.keys())
def test_codes_are_the_same_in_arrays_and_in_frames(transformer):
    expected = make_pipeline(clone(transformer).set_output(transform="default"), density()).fit(
        frame()
    )
    for output in "pandas", "polars":
        model = make_pipeline(clone(transformer).set_output(transform=output), density()).fit(
            frame()
        )
        assert np.array_equal(model.score_samples(frame()), expected.score_samples(frame()))
        names = transformer.fit(frame()).get_feature_names_out().tolist()
        assert model[-1].feature_names_in_.tolist() == names


@pytest.mark.parametrize("transformer", OF_LABELS.values(), ids=OF_LABELS.keys())
def test_labels_go_through_frames_and_the_error_of_arrays_says_so(transformer):
    model = make_pipeline(clone(transformer).set_output(transform="default"), density())
    with pytest.raises(ValueError, match=r"set_output\(transform='pandas'\)"):
        model.fit(frame())
    for output, library in ("pandas", pandas), ("polars", polars):
        model = make_pipeline(clone(transformer).set_output(transform=output), density()).fit(
            frame()
        )
        assert np.isfinite(model.score_samples(frame())).all()
        drawn = model[-1].sample(2, random_state=0)
        assert isinstance(drawn, library.DataFrame)
        assert "a" in [*model[-1].categories_[-1 if "simple" in str(transformer) else 2]]


def test_one_hot_columns_stay_sparse():
    rows = OneHotEncoder().fit(frame()[["s", "t"]])
    model = make_pipeline(rows, density()).fit(frame()[["s", "t"]])
    dense = density().fit(rows.transform(frame()[["s", "t"]]).toarray())
    assert issparse(model[-1].sample(2, random_state=0))
    np.testing.assert_allclose(
        model.score_samples(frame()[["s", "t"]]),
        dense.score_samples(rows.transform(frame()[["s", "t"]]).toarray()),
        rtol=1e-12,
    )


# --- sparse frames of pandas -------------------------------------------------------------


def counts():
    rng = np.random.default_rng(0)
    return rng.integers(0, 3, (N_ROWS, 4)) * (rng.random((N_ROWS, 4)) < 0.3)


def sparse_frame():
    return pandas.DataFrame.sparse.from_spmatrix(csr_array(counts()), columns=[*"abcd"])


def test_a_sparse_frame_is_a_sparse_matrix_with_names():
    model, expected = density().fit(sparse_frame()), density().fit(csr_array(counts()))
    assert issparse(model._columns.to_matrix(sparse_frame()))
    assert model.feature_names_in_.tolist() == [*"abcd"]
    assert np.array_equal(model.score_samples(sparse_frame()), expected.score_samples(counts()))
    drawn = model.sample(5, random_state=0)
    assert drawn.dtypes.to_dict() == sparse_frame().dtypes.to_dict()
    assert np.array_equal(drawn.to_numpy(), expected.sample(5, random_state=0).toarray())
    given = model.sample(given=sparse_frame(), random_state=0)
    assert given.equals(sparse_frame())


def test_what_is_filled_of_a_sparse_frame_is_as_of_a_dense_one():
    holed = sparse_frame().astype(pandas.SparseDtype(float, 0.0))
    told = holed.to_numpy().copy()
    told[::7, 1] = np.nan
    holed = pandas.DataFrame(told, columns=[*"abcd"]).astype(pandas.SparseDtype(float, 0.0))
    filled = SharpPCImputer(density()).fit_transform(holed)
    assert filled.dtypes.to_dict() == holed.dtypes.to_dict()
    assert np.array_equal(filled.to_numpy(), SharpPCImputer(density()).fit_transform(told))


def test_sparse_chunks_are_those_of_a_dense_source():
    model = density().fit(lambda: iter([sparse_frame()[:30], sparse_frame()[30:]]))
    dense = density().fit(lambda: iter([counts()[:30], counts()[30:]]))
    assert np.array_equal(model.score_samples(sparse_frame()), dense.score_samples(counts()))


@pytest.mark.parametrize("fill", [1, np.nan])
def test_frames_that_leave_out_other_values_are_read_column_by_column(fill):
    X = sparse_frame().sparse.to_dense().astype(float)
    other = X.astype(pandas.SparseDtype(float, fill))
    assert not issparse(density().fit(other)._columns.to_matrix(other))
    assert np.array_equal(
        density().fit(other).score_samples(other), density().fit(X).score_samples(X)
    )
