"""SharpPCImputer: the numbers are those of `complete`; what it makes of tables."""

import pickle

import numpy as np
import pandas
import polars
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skpc import SharpPCDensity, SharpPCImputer

STRATEGIES = ("median_mode", "mean_mode", "sample", "max_product")
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


def density(**parameters):
    return SharpPCDensity(**{"n_latents": 3, "max_iter": 20, "random_state": 0, **parameters})


def imputer(strategy="mean_mode", random_state=0, **parameters):
    return SharpPCImputer(density(**parameters), strategy=strategy, random_state=random_state)


@pytest.fixture(scope="module")
def X():
    """Two categories and two correlated numbers, a fifth of them missing."""
    rng = np.random.default_rng(0)
    k = rng.integers(0, 3, 150)
    x = rng.normal(size=150) + 2 * k
    X = np.stack([k, x, x + 0.3 * rng.normal(size=150), (k + rng.integers(0, 2, 150)) % 3], 1)
    X[rng.random(X.shape) < 0.2] = np.nan
    X[7] = np.nan
    return X


def labelled(X):
    names = np.array(["red", "green", "blue"], object)
    return pandas.DataFrame(
        {
            "colour": [None if np.isnan(v) else names[int(v)] for v in X[:, 0]],
            "x": X[:, 1],
            "z": X[:, 2],
            "code": pandas.array([None if np.isnan(v) else int(v) for v in X[:, 3]], "Int64"),
        },
        index=np.arange(len(X))[::-1] + 5,
    )


# --- numbers -----------------------------------------------------------------------------


# Numeric columns are completed within the range that was seen; densities have tails beyond.
@pytest.mark.parametrize(("kind", "tolerance"), [("gaussian", 1e-9), ("numeric", 2e-3)])
def test_modes_and_means_by_asking_for_scores(X, kind, tolerance):
    """By Bayes' rule from joint densities: over all categories, and on a fine grid."""
    model = imputer(n_latents=2, feature_types={1: kind, 2: kind}).fit(X)
    x = np.array([np.nan, 1.0, np.nan, 2.0])
    filled = model.transform(x[None])[0]
    candidates = np.tile(x, (3, 1))
    candidates[:, 0] = [0, 1, 2]
    assert filled[0] == np.argmax(model.density_.score_samples(candidates))
    grid = np.linspace(-15, 20, 20_001)
    candidates = np.tile(x, (len(grid), 1))
    candidates[:, 2] = grid
    mass = np.exp(model.density_.score_samples(candidates))
    assert filled[2] == pytest.approx(grid @ mass / mass.sum(), abs=tolerance)
    assert filled[1] == 1.0
    assert filled[3] == 2.0


@pytest.mark.parametrize("groups", ["auto", None])
@pytest.mark.parametrize("n_components", [1, 2])
def test_medians_are_those_of_the_conditional_distribution(groups, n_components):
    rng = np.random.default_rng(4)
    z = rng.normal(size=(300, 2))
    table = pandas.DataFrame(
        {
            "kind": np.where(z[:, 0] + rng.normal(size=300) > 0, "up", "down"),
            "price": np.exp(3 * z[:, 0] + 0.2 * rng.normal(size=300)),
            "cost": np.exp(3 * z[:, 0] + 0.3 * rng.normal(size=300)),
            "paid": np.maximum(z[:, 1], 0.0),
            "items": rng.poisson(np.exp(1.5 + 0.5 * z[:, 1])),
            "gain": z[:, 1] + 0.1 * rng.normal(size=300),
        }
    )
    holes = table.mask(rng.random(table.shape) < 0.3)
    model = SharpPCImputer(
        SharpPCDensity(
            n_latents=3, n_components=n_components, feature_groups=groups, max_iter=10,
            feature_types={"gain": "gaussian"}, random_state=0,
        )
    ).fit(holes)  # fmt: skip
    assert ("copula" in model.density_.circuit_.inputs.kinds) == (groups == "auto")
    filled = model.transform(holes[:25])
    n_judged = 0
    for i, row in holes[:25].iterrows():
        given = model.density_.condition(row.dropna().to_dict())
        for name in row.index[row.isna()].drop("kind", errors="ignore"):
            assert filled.loc[i, name] == pytest.approx(given.median(name), rel=1e-8, abs=1e-8)
            n_judged += 1
    assert n_judged > 25


def test_a_small_share_of_large_values_does_not_move_the_default():
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1], 150)
    table = pandas.DataFrame(
        {
            "kind": np.where(kind, "server", "sticker"),
            "price": rng.lognormal(11 * kind, 0.2),
            "cost": rng.lognormal(11 * kind - 0.5, 0.2),
        }
    )
    table.loc[:5, "kind"] = "server"  # labels that are wrong: either may be meant
    holes = table.copy()
    holes.loc[20:60, "cost"] = np.nan
    holes.loc[20:60, "price"] = np.nan
    truth = table["cost"][20:61]
    model = SharpPCImputer(SharpPCDensity(n_latents=4, max_iter=20, random_state=0)).fit(holes)
    worst = {
        strategy: np.abs(
            np.log(model.set_params(strategy=strategy).transform(holes)["cost"][20:61] / truth)
        ).max()
        for strategy in ("median_mode", "mean_mode")
    }
    assert worst["median_mode"] < 1.0  # a factor of three; a sticker costs about 0.6
    assert worst["mean_mode"] > 2.0


def test_draws_follow_the_conditional_distribution(X):
    model = imputer("sample").fit(X)
    x = np.array([np.nan, 1.0, 1.2, np.nan])
    drawn = model.transform(np.tile(x, (20_000, 1)))
    worlds = np.tile(x, (9, 1))
    worlds[:, 0], worlds[:, 3] = np.divmod(np.arange(9), 3)
    mass = np.exp(model.density_.score_samples(worlds))
    expected = mass / mass.sum()
    observed = np.bincount((drawn[:, 0] * 3 + drawn[:, 3]).astype(int), minlength=9) / 20_000
    error = np.sqrt(expected * (1 - expected) / 20_000)
    assert (np.abs(observed - expected) < 4 * error + 1e-12).all()


def test_it_beats_column_means(X):
    rng = np.random.default_rng(3)
    k = rng.integers(0, 3, 400)
    truth = np.stack([k, rng.normal(size=400) * 0.5 + 2 * k], axis=1)
    holes = rng.random(truth.shape) < 0.3
    filled = imputer(max_iter=100).fit_transform(np.where(holes, np.nan, truth))
    one_only = holes[:, 1] & ~holes[:, 0]
    error = np.square(filled - truth)[one_only, 1].mean()
    assert error < 0.3 * truth[:, 1].var()  # the variance within a category is 0.08 of it
    labels_right = (filled == truth)[holes[:, 0] & ~holes[:, 1], 0].mean()
    assert labels_right > 0.85


# --- tables in, tables out ---------------------------------------------------------------


@each_strategy
def test_observed_cells_stay(strategy, X):
    model = imputer(strategy).fit(X)
    before = X.copy()
    filled = model.transform(X)
    assert np.array_equal(X, before, equal_nan=True)
    assert filled.dtype == np.float64
    assert np.array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    assert not np.isnan(filled).any()
    assert np.isin(filled[:, [0, 3]], [0, 1, 2]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool])
def test_arrays_keep_their_dtype(dtype):
    X = np.array([[0, 1], [1, 0], [1, 1]] * 5).astype(dtype)
    filled = imputer().fit_transform(X)
    assert filled.dtype == dtype
    assert np.array_equal(filled, X)
    assert filled is not X
    assert not np.shares_memory(filled, X)


@each_strategy
def test_frames_keep_names_index_dtypes_and_observed_cells(strategy, X):
    frame = labelled(X)
    before = frame.copy()
    filled = imputer(strategy).fit(frame).transform(frame)
    pandas.testing.assert_frame_equal(frame, before)
    assert filled.index.equals(frame.index)
    assert filled.dtypes.equals(frame.dtypes)
    assert not filled.isna().any(axis=None)
    pandas.testing.assert_frame_equal(filled.where(frame.notna()), frame.where(frame.notna()))
    assert set(filled["colour"]) == {"red", "green", "blue"}


@each_strategy
def test_frames_hold_what_arrays_do(strategy, X):
    """Labels in the order of the codes, so that both models are the same."""
    names = ["a", "b", "c"]
    columns = {
        "first": pandas.Categorical.from_codes(np.nan_to_num(X[:, 0], nan=-1).astype(int), names),
        "x": X[:, 1],
        "z": X[:, 2],
        "code": X[:, 3],
    }
    filled = imputer(strategy).fit_transform(pandas.DataFrame(columns))
    expected = imputer(strategy).fit_transform(X)
    assert np.array_equal(filled["first"].cat.codes, expected[:, 0])
    assert np.array_equal(filled[["x", "z", "code"]], expected[:, 1:])
    columns["first"] = polars.Series(
        [None if np.isnan(v) else names[int(v)] for v in X[:, 0]], dtype=polars.Enum(names)
    )
    of_polars = imputer(strategy, feature_types={"first": "categorical"})  # an Enum is in order
    of_polars = of_polars.fit_transform(polars.DataFrame(columns))
    assert isinstance(of_polars, polars.DataFrame)
    assert of_polars["first"].dtype == polars.Enum(names)
    assert of_polars["first"].to_list() == filled["first"].tolist()
    assert np.array_equal(of_polars[["x", "z", "code"]].to_numpy(), expected[:, 1:])


def series(values, dtype):
    return pandas.Series(values, dtype=dtype)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (series([True, False, None, True] * 10, "boolean"), bool),
        (series([True, False, None, True] * 10, object), bool),
        (series(["a", "b", None, "a"] * 10, "string"), str),
        (series(["a", "b", None, "a"] * 10, "category"), str),
        (series([3, 5, None, 3] * 10, "category"), int),
        (series([3, 5, None, 3] * 10, "Int8"), int),
        (series([3.0, 5.0, None, 3.0] * 10, "Float32"), float),
        (series([3, 500, None, 7] * 10, "Int64"), int),
        (series([0.5, 1.5, None, 0.5] * 10, object), float),
    ],
    ids=lambda x: str(getattr(x, "dtype", "")),
)
def test_dtypes_of_pandas(column, kind):
    frame = pandas.DataFrame({"x": np.arange(40.0) % 7, "it": column})
    filled = imputer(feature_types={"x": "gaussian"}).fit_transform(frame)["it"]
    assert filled.dtype == column.dtype
    assert filled[column.notna()].tolist() == column[column.notna()].tolist()
    cells = filled[column.isna()].tolist()
    assert all(isinstance(cell, kind) for cell in cells)
    if filled.tolist()[0] != 0.5:
        assert set(cells) <= set(column.dropna())


def test_means_are_rounded_in_columns_of_integers():
    values = pandas.array([10, 20, 31, 44, 58, None] * 10, "Int64")
    frame = pandas.DataFrame({"it": values})
    filled = imputer(feature_types="gaussian", n_latents=1).fit_transform(frame)["it"]
    assert filled[5] == round((10 + 20 + 31 + 44 + 58) / 5)
    of_floats = imputer(feature_types="gaussian", n_latents=1).fit_transform(
        frame.astype("Float64")
    )
    assert of_floats["it"][5] == pytest.approx((10 + 20 + 31 + 44 + 58) / 5)


@pytest.mark.parametrize("missing", [np.nan, None, pandas.NA])
def test_a_row_without_any_value(missing, X):
    """Its columns have no dtype that says anything."""
    model = imputer().fit(labelled(X))
    nothing = pandas.DataFrame([[missing] * 4], columns=["colour", "x", "z", "code"])
    filled = model.transform(nothing)
    assert filled.loc[0, "colour"] in {"red", "green", "blue"}
    assert np.isfinite(float(filled.loc[0, "x"]))
    assert int(filled.loc[0, "code"]) in {0, 1, 2}
    assert nothing.isna().all(axis=None)


def test_a_row_of_polars_without_any_value(X):
    frame = labelled(X)
    model = imputer().fit(polars.DataFrame({name: frame[name].tolist() for name in ("x", "z")}))
    filled = model.transform(polars.DataFrame({"x": [None], "z": [None]}))
    assert np.isfinite(filled.to_numpy()).all()


def test_a_categorical_column_that_lacks_the_category(X):
    frame = labelled(X).astype({"colour": "category"})
    model = imputer().fit(frame)
    row = frame.iloc[:1].copy()
    row["colour"] = pandas.Categorical([None], ["mauve"])
    assert model.transform(row)["colour"].iloc[0] in {"red", "green", "blue"}


@pytest.mark.parametrize("kind", ["array", "pandas", "polars"])
@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_set_output(kind, output, X):
    make = {
        "array": lambda X: X,
        "pandas": lambda X: pandas.DataFrame(X, columns=list("abcd")),
        "polars": lambda X: polars.DataFrame(X, schema=list("abcd")),
    }[kind]
    table = make(X)
    model = imputer().set_output(transform=output).fit(table)
    filled = model.transform(table)
    wanted = kind if output == "default" else output
    expected_type = {
        "array": np.ndarray,
        "pandas": pandas.DataFrame,
        "polars": polars.DataFrame,
    }[wanted]
    assert isinstance(filled, expected_type)
    assert np.array_equal(np.asarray(filled), imputer().fit(X).transform(X))
    if output != "default":  # the oldest scikit-learn does not know polars' names
        assert list(filled.columns) == model.get_feature_names_out().tolist()
    elif kind != "array":
        assert list(filled.columns) == [*"abcd"]
    if kind == "pandas":
        assert model.get_feature_names_out().tolist() == [*"abcd"]


def test_names_of_the_output(X):
    assert imputer().fit(labelled(X)).get_feature_names_out().tolist() == list(labelled(X))
    assert imputer().fit(X).get_feature_names_out().tolist() == ["x0", "x1", "x2", "x3"]


# --- the density ---------------------------------------------------------------------------


def test_weights_are_repetitions(X):
    weights = np.random.default_rng(1).integers(0, 3, len(X))
    model = imputer().fit(X, sample_weight=weights)
    again = imputer().fit(np.repeat(X, weights, axis=0))
    assert np.array_equal(model.transform(X), again.transform(X))
    assert not np.array_equal(imputer().fit(X).transform(X), model.transform(X))


@pytest.mark.parametrize("frame", [False, True])
def test_a_frozen_density_is_used_as_it_is(frame, X):
    table = labelled(X) if frame else X
    fitted = density(mu=0.2).fit(table)
    before = pickle.dumps(vars(fitted))
    model = SharpPCImputer(FrozenEstimator(fitted), strategy="mean_mode")
    model.fit(table.iloc[:3] if frame else X[:3])
    assert model.density_ is fitted
    assert pickle.dumps(vars(fitted)) == before
    filled, expected = model.transform(table), imputer(mu=0.2).fit(table).transform(table)
    assert np.array_equal(np.asarray(filled), np.asarray(expected))
    assert model.n_features_in_ == 4
    assert hasattr(model, "feature_names_in_") == frame
    assert model.get_feature_names_out().tolist() == expected_names(table)


def expected_names(table):
    return list(table) if isinstance(table, pandas.DataFrame) else ["x0", "x1", "x2", "x3"]


def test_frozen_densities_that_cannot_be_used(X):
    with pytest.raises(NotFittedError):
        SharpPCImputer(FrozenEstimator(density())).fit(X)
    with pytest.raises(ValueError, match="must hold a SharpPCDensity; got StandardScaler"):
        SharpPCImputer(FrozenEstimator(StandardScaler().fit(X))).fit(X)
    fitted = FrozenEstimator(density().fit(labelled(X)))
    with pytest.raises(ValueError, match="feature names"):
        SharpPCImputer(fitted).fit(labelled(X)[["x", "z", "code", "colour"]])
    with pytest.raises(ValueError, match="4 features"):
        SharpPCImputer(FrozenEstimator(density().fit(X))).fit(X[:, :3])


def test_unknown_categories_stay(X):
    row = np.array([[9.0, 1.0, np.nan, 2.0]])
    assert imputer().fit(X).transform(row)[0, 0] == 9.0


# --- seeds ---------------------------------------------------------------------------------


def test_the_seed_of_draws(X):
    model = imputer("sample", random_state=0).fit(X)
    first = model.transform(X)
    assert np.array_equal(model.transform(X), first)
    assert not np.array_equal(model.set_params(random_state=1).transform(X), first)
    model.set_params(random_state=None)
    assert not np.array_equal(model.transform(X), model.transform(X))
    model.set_params(random_state=np.random.RandomState(0))
    assert np.array_equal(model.transform(X), first)
    assert not np.array_equal(model.transform(X), first)


def test_the_seed_of_the_density(X):
    template = density(random_state=None)
    first, same, other = (
        SharpPCImputer(template, random_state=seed).fit(X).density_.score_samples(X)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


# --- in company ----------------------------------------------------------------------------


def test_a_pipeline_and_a_search(X):
    y = (np.nan_to_num(X[:, 1], nan=1.0) > 1).astype(int)
    pipeline = make_pipeline(imputer(), StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"sharppcimputer__estimator__n_latents": [1, 3]}, cv=3)
    assert search.fit(X, y).best_score_ > 0.75


@each_strategy
def test_pickles(strategy, X):
    model = imputer(strategy).fit(labelled(X))
    again = pickle.loads(pickle.dumps(model))
    pandas.testing.assert_frame_equal(again.transform(labelled(X)), model.transform(labelled(X)))


@each_strategy
def test_transform_leaves_the_model_alone(strategy, X):
    model = imputer(strategy).fit(X)
    before = pickle.dumps(vars(model))
    model.transform(X)
    assert pickle.dumps(vars(model)) == before


# --- what cannot be used -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"strategy": "median"}, "'strategy' parameter"),
        ({"estimator": StandardScaler()}, "estimator must be a SharpPCDensity, a FrozenEstimator"),
        ({"estimator": SharpPCDensity(mu=-1.0)}, "'mu' parameter"),
    ],
)
def test_bad_parameters(parameters, message, X):
    model = imputer().fit(X)
    before = model.transform(X)
    with pytest.raises(ValueError, match=message):
        model.set_params(**parameters).fit(X)
    assert np.array_equal(model.set_params(strategy="mean_mode").transform(X), before)


def test_bad_tables(X):
    model = imputer().fit(X)
    with pytest.raises(ValueError, match="3 features"):
        model.transform(X[:, :3])
    with pytest.raises(TypeError, match="Sparse data"):
        model.transform(csr_array(np.nan_to_num(X)))
    with pytest.raises(ValueError, match="infinity"):
        model.transform(np.full((1, 4), np.inf))
    with pytest.raises(ValueError, match="no value in column 0"):
        imputer().fit(np.full((5, 4), np.nan))
    with pytest.raises(NotFittedError):
        imputer().transform(X)
