"""Numeric columns and ordered labels: what comes in, what comes out, and what scores are."""

from decimal import Decimal

import numpy as np
import pandas
import polars
import pytest
from scipy.integrate import trapezoid

from skpc import SharpPCDensity, SharpPCImputer

STRATEGIES = ("median_mode", "mean_mode", "sample", "max_product")
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
N_ROWS = 150


def density(**parameters):
    return SharpPCDensity(**{"n_latents": 3, "max_iter": 8, "random_state": 0, **parameters})


def counts(n_rows=N_ROWS):
    """Two columns of counts that hang together, a measurement, and a code."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, n_rows)
    return np.stack(
        [
            rng.poisson(8 + 20 * kind),
            rng.negative_binomial(3, 0.2, n_rows) + 5 * kind,
            rng.normal(3 * kind, 1.0),
            kind,
        ],
        axis=1,
    )


def with_holes(X, share=0.15):
    return np.where(np.random.default_rng(1).random(X.shape) < share, np.nan, X)


# --- what comes out is what could have come in --------------------------------------------


def holed(values):
    """A list with every seventh value missing."""
    return [None if i % 7 == 3 else value for i, value in enumerate(values)]


WHOLE = np.random.default_rng(2).poisson(25, N_ROWS)
HALVES = [i / 2 for i in WHOLE.tolist()]
CENTS = [Decimal(i) / 100 for i in WHOLE.tolist()]
SERIES = {
    **{
        f"pandas {name}": pandas.Series(WHOLE, dtype=name)
        for name in ("int8", "int16", "int32", "int64", "uint8", "uint64", "float32", "float64")
    },
    **{
        f"pandas {name}": pandas.Series(holed(WHOLE.tolist()), dtype=name)
        for name in ("Int8", "Int64", "UInt8", "Float64", "Float32", "int64[pyarrow]", "object")
    },
    "pandas halves": pandas.Series(holed(HALVES), dtype="Float64"),
    "pandas decimals": pandas.Series(holed(CENTS), dtype=object),
    **{
        f"polars {dtype}": polars.Series(holed(WHOLE.tolist()), dtype=dtype)
        for dtype in (polars.Int8, polars.UInt8, polars.Int64, polars.UInt32)
    },
    **{
        f"polars {dtype}": polars.Series(holed(HALVES), dtype=dtype)
        for dtype in (polars.Float32, polars.Float64)
    },
    "polars Decimal": polars.Series(holed(CENTS), dtype=polars.Decimal(10, 2)),
}


def frame_of(series):
    other = np.random.default_rng(3).normal(size=N_ROWS)
    if isinstance(series, pandas.Series):
        return pandas.DataFrame({"x": series, "other": other})
    return polars.DataFrame({"x": series, "other": other})


def cells_of(frame):
    """The cells of column x, as Python has them."""
    column = frame["x"]
    values = column.tolist() if isinstance(column, pandas.Series) else column.to_list()
    return [None if value is None or value is pandas.NA or value != value else value
            for value in values]  # fmt: skip


def is_on_lattice(value, step):
    return (Decimal(str(value)) / Decimal(step)) % 1 == 0


@pytest.mark.parametrize("name", SERIES)
def test_draws_and_completions_stay_in_the_support_of_a_column(name):
    frame = frame_of(SERIES[name])
    model = density().fit(frame)
    assert model.feature_types_[0] == "numeric"
    seen = [value for value in cells_of(frame) if value is not None]
    step = "0.01" if isinstance(seen[0], Decimal) else "0.5" if max(seen) < 25 else "1"
    drawn = model.sample(500, random_state=0)
    tables = [drawn]
    for strategy in STRATEGIES:
        tables.append(SharpPCImputer(density(), strategy=strategy).fit(frame).transform(frame))
    for table in tables:
        assert table["x"].dtype == frame["x"].dtype
        found = cells_of(table)
        assert None not in found
        assert min(seen) <= min(found)
        assert max(found) <= max(seen)
        if table is drawn:
            assert len(set(found)) > 20
        assert {type(value) for value in found} == {type(value) for value in seen}
        assert all(is_on_lattice(value, step) for value in found)


@pytest.mark.parametrize(
    "dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint64, np.float32, np.float64]
)
def test_arrays_of_numbers_are_drawn_in_their_dtype_and_range(dtype):
    signed = np.dtype(dtype).kind != "u"
    X = np.stack([WHOLE - 20 * signed, 3 * WHOLE + 1], axis=1).astype(dtype)
    drawn = density().fit(X).sample(400, random_state=1)
    assert drawn.dtype == dtype
    assert (drawn >= X.min(axis=0)).all()
    assert (drawn <= X.max(axis=0)).all()
    assert np.array_equal(drawn, np.rint(drawn))
    assert len(np.unique(drawn[:, 0])) > 20
    completed = SharpPCImputer(density()).fit_transform(X)
    assert np.array_equal(completed, X)


@each_strategy
def test_integers_with_holes_come_back_whole(strategy):
    X = with_holes(counts())
    filled = SharpPCImputer(density(), strategy=strategy).fit_transform(X)
    is_seen = ~np.isnan(X)
    assert np.array_equal(filled[is_seen], X[is_seen])
    assert np.array_equal(filled[:, :2], np.rint(filled[:, :2]))
    assert not np.array_equal(filled[:, 2], np.rint(filled[:, 2]))
    drawn = density().fit(X).sample(300, random_state=0, given=None)
    assert np.array_equal(drawn[:, :2], np.rint(drawn[:, :2]))


def test_money_is_zero_as_often_as_it_was_and_never_below():
    rng = np.random.default_rng(4)
    kind = rng.integers(0, 2, 600)
    money = np.where(rng.random(600) < 0.75 - 0.5 * kind, 0.0, rng.lognormal(7 + kind, 1.0))
    X = np.stack([np.round(money, 2), kind], axis=1)
    model = density(max_iter=40).fit(X)
    drawn = model.sample(20_000, random_state=0)
    for value in 0, 1:
        share = (X[X[:, 1] == value, 0] == 0).mean()
        found = (drawn[drawn[:, 1] == value, 0] == 0).mean()
        assert found == pytest.approx(share, abs=0.03)
    assert (drawn[:, 0] >= 0).all()
    paid = drawn[drawn[:, 0] > 0, 0]
    assert (paid < X[X[:, 0] > 0, 0].min()).mean() < 0.02
    for share in 0.1, 0.5, 0.9:
        expected = np.quantile(X[X[:, 0] > 0, 0], share)
        assert np.log(np.quantile(paid, share) / expected) == pytest.approx(0, abs=0.25)
    # The spike is a mass, and the rest a density or, of cents, masses: far more than at any of it.
    scores = model.score_samples([[0.0, 0.0], [1000.0, 0.0]])
    assert scores[0] - scores[1] > 3


@pytest.mark.parametrize("constant", [0.0, 7.0, -2.5, 1e12, 1e-30])
def test_constants_are_drawn_and_completed_as_they_are(constant):
    X = np.stack([np.full(60, constant), np.random.default_rng(0).normal(size=60)], axis=1)
    kinds = {0: "numeric"}
    model = density(feature_types=kinds).fit(X)
    assert (model.sample(50, random_state=0)[:, 0] == constant).all()
    holes = X.copy()
    holes[::5, 0] = np.nan
    filled = SharpPCImputer(density(feature_types=kinds)).fit_transform(holes)
    assert (filled[:, 0] == constant).all()
    # All but next to nothing of the mass is there.
    only = np.where([True, False], X[:1], np.nan)
    assert model.score_samples(only)[0] == pytest.approx(0.0, abs=1e-3)
    other = only + abs(constant) + 1
    assert model.score_samples(other)[0] < -5


# --- ordered labels -----------------------------------------------------------------------

LEVELS = ["none", "low", "some", "high", "most"]


def graded(library, n_rows=N_ROWS):
    rng = np.random.default_rng(5)
    kind = rng.integers(0, 2, n_rows)
    codes = rng.binomial(4, 0.2 + 0.6 * kind)
    grades = [None if i % 6 == 2 else LEVELS[code] for i, code in enumerate(codes)]
    other = rng.normal(2 * kind, 1.0)
    if library == "pandas":
        dtype = pandas.CategoricalDtype(LEVELS, ordered=True)
        return pandas.DataFrame({"grade": pandas.Series(grades, dtype=dtype), "x": other})
    dtype = polars.Enum(LEVELS)
    return polars.DataFrame({"grade": polars.Series(grades, dtype=dtype), "x": other})


@pytest.mark.parametrize("library", ["pandas", "polars"])
@each_strategy
def test_ordered_labels_come_back_as_these(library, strategy):
    frame = graded(library)
    model = density().fit(frame)
    assert model.feature_types_ == ["numeric", "numeric"]
    drawn = model.sample(300, random_state=0)
    filled = SharpPCImputer(density(), strategy=strategy).fit(frame).transform(frame)
    for table in drawn, filled:
        assert table["grade"].dtype == frame["grade"].dtype
        assert set(table["grade"]) <= set(LEVELS)
    assert set(drawn["grade"]) == set(LEVELS)
    was, now = (list(table["grade"]) for table in (frame, filled))
    assert all(b == a for a, b in zip(was, now, strict=True) if isinstance(a, str))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_levels_have_masses_that_sum_to_one(library):
    frame = graded(library)
    model = density().fit(frame)
    every = frame[:5].copy() if library == "pandas" else frame[:5]
    if library == "pandas":
        every = every.assign(
            grade=pandas.Categorical(LEVELS, LEVELS, ordered=True), x=np.full(5, 0.5)
        )
        alone = every.assign(x=np.nan)
    else:
        grades = polars.Series("grade", LEVELS, dtype=polars.Enum(LEVELS))
        every = polars.DataFrame({"grade": grades, "x": [0.5] * 5})
        alone = polars.DataFrame({"grade": grades, "x": [np.nan] * 5})
    # Numbers beyond the ends have next to nothing: the lattice has no bound above.
    assert np.exp(model.score_samples(alone)).sum() == pytest.approx(1.0, abs=5e-3)
    marginal = model.marginal(["x"]).score_samples(every[["x"]])
    assert np.exp(model.score_samples(every) - marginal).sum() == pytest.approx(1.0, abs=5e-3)


# --- what scores are ----------------------------------------------------------------------


@pytest.mark.parametrize("column", [0, 1])
def test_the_masses_of_all_levels_sum_to_one(column):
    X = with_holes(counts())
    model = density(max_iter=20).fit(X)
    levels = np.arange(-50_000.0, 50_001.0)
    rows = np.full((len(levels), 4), np.nan)
    rows[:, column] = levels
    # Beyond is a power law: the cube of the distance.
    assert np.exp(model.score_samples(rows)).sum() == pytest.approx(1.0, abs=1e-9)
    rows[:, 3], rows[:, 2] = 1.0, 2.5
    given = rows[:1].copy()
    given[:, column] = np.nan
    masses = np.exp(model.score_samples(rows) - model.score_samples(given))
    assert masses.sum() == pytest.approx(1.0, abs=1e-9)


def test_a_density_integrates_to_one():
    X = with_holes(counts())
    model = density(max_iter=20).fit(X)

    # Outliers are by a power law: 1e6 away less than 1e-9 is left. Knots have kinks.
    grid = np.linspace(-12.0, 18.0, 60_001)
    tail = np.geomspace(1e-3, 1e6, 8_001)[1:]
    grid = np.concatenate([-12.0 - tail[::-1], grid, 18.0 + tail])
    rows = np.full((len(grid), 4), np.nan)
    rows[:, 2] = grid
    total = trapezoid(np.exp(model.score_samples(rows)), grid)
    assert total == pytest.approx(1.0, abs=1e-4)


def related(n_rows=200):
    rng = np.random.default_rng(6)
    x = rng.standard_t(4, n_rows)
    noise = rng.normal(size=(n_rows, 2))
    return with_holes(np.stack([x, x + noise[:, 0], noise[:, 1] < x], axis=1))


def changed(X, factor, offset):
    """The table with another first column, and what its scores gain."""
    other = X.copy()
    other[:, 0] = factor * X[:, 0] + offset
    return other, np.where(np.isnan(X[:, 0]), 0.0, -np.log(abs(factor)))


@pytest.mark.parametrize(("factor", "offset"), [(0.25, 1.0), (1.1, -3.0), (3.7, 0.0), (1e6, 1e3)])
@pytest.mark.parametrize("groups", ["auto", None])
def test_affine_changes_of_a_column_have_the_jacobian_alone(factor, offset, groups):
    X = related()
    model = density(feature_groups=groups).fit(X)
    other, gain = changed(X, factor, offset)
    found = density(feature_groups=groups).fit(other).score_samples(other)
    np.testing.assert_allclose(found, model.score_samples(X) + gain, atol=1e-8)


def test_a_mirrored_column_is_as_likely():
    """Rows are in another order, so that others are held out: not the same, but no worse."""
    X, new = related(), related(800)[200:]
    (other, _), (other_new, _) = changed(X, -1.0, 0.0), changed(new, -1.0, 0.0)
    expected = density().fit(X).score(new)
    assert density().fit(other).score(other_new) == pytest.approx(expected, abs=0.05)


def test_a_column_of_no_negative_number_is_drawn_without_one():
    X = np.random.default_rng(7).gamma(0.7, size=(300, 2))
    model = density().fit(X)
    assert (model.sample(5000, random_state=0) >= X.min(axis=0)).all()
    below = np.array([[-0.1, np.nan], [np.nan, -1.0]])
    assert (model.score_samples(below) < model.score_samples(-below) - 4).all()


def test_the_logarithm_of_a_column_is_nearly_as_likely():
    rng = np.random.default_rng(8)
    kind = rng.integers(0, 3, 1200)
    income = rng.lognormal(9 + 0.8 * kind, 0.7)
    train, test = slice(0, 600), slice(600, None)
    scores = {}
    for name, column in (("raw", income), ("log", np.log(income))):
        X = np.stack([column, kind], axis=1)
        scores[name] = density(max_iter=40).fit(X[train]).score_samples(X[test])
    scores["log"] = scores["log"] - np.log(income[test])
    assert scores["raw"].mean() == pytest.approx(scores["log"].mean(), abs=0.05)
    in_units = density(max_iter=40, feature_types={0: "gaussian"})
    X = np.stack([income, kind], axis=1)
    assert scores["raw"].mean() > in_units.fit(X[train]).score(X[test]) + 0.05


def test_one_outlier_costs_other_rows_next_to_nothing():
    X = np.random.default_rng(9).normal(size=(200, 2))
    test = np.random.default_rng(10).normal(size=(500, 2))
    spoilt = X.copy()
    spoilt[17, 0] = 1e7
    clean, found = (density().fit(table).score(test) for table in (X, spoilt))
    assert found > clean - 0.1


# --- conditional moments ------------------------------------------------------------------


@pytest.mark.parametrize("groups", [None, [[0, 2]], "auto"])
def test_conditional_moments_are_those_of_draws(groups):
    rng = np.random.default_rng(11)
    kind = rng.integers(0, 2, 300)
    x = rng.gamma(2.0, 2.0, 300) + 6 * kind
    X = np.stack([x, rng.poisson(6 + 10 * kind), x + rng.normal(size=300), kind], axis=1)
    model = density(max_iter=20, feature_groups=groups).fit(X)
    n_draws = 20_000
    rows = np.array(
        [
            [np.nan, 8.0, 4.0, np.nan],
            [np.nan, np.nan, 12.0, 1.0],
            [5.0, np.nan, 4.0, np.nan],
            [1.0, np.nan, np.nan, 0.0],
            [8.0, 7.0, np.nan, np.nan],
        ]
    )
    for column in range(3):
        mean, variance = model.conditional_moments(rows, column)
        for i in np.flatnonzero(np.isnan(rows[:, column])):
            given = np.tile(rows[i], (n_draws, 1))
            drawn = model.sample(1, random_state=0, given=given)[:, column]
            error = np.sqrt(drawn.var() / n_draws)
            assert mean[i] == pytest.approx(drawn.mean(), abs=5 * error)
            spread = np.square(drawn - drawn.mean()).std() / np.sqrt(n_draws)
            assert variance[i] == pytest.approx(drawn.var(), abs=5 * spread)


# --- the default on a mixed table with holes ------------------------------------------------


def mixed_frame(n_rows=60):
    rng = np.random.default_rng(12)
    kind = rng.integers(0, 2, n_rows)
    X = with_holes(counts(n_rows))
    frame = pandas.DataFrame(X, columns=["n", "m", "x", "code"])
    dtype = pandas.CategoricalDtype(LEVELS, ordered=True)
    return frame.assign(
        n=frame["n"].astype("Int64"),
        money=np.where(rng.random(n_rows) < 0.4, 0.0, rng.lognormal(3 + kind, 1.0)),
        label=np.array(["a", "b", None], object)[rng.integers(0, 3, n_rows)],
        grade=pandas.Categorical.from_codes(rng.binomial(4, 0.3 + 0.4 * kind), dtype=dtype),
    )


def bits_of(model, frame):
    """All that tells two fits apart."""
    circuit = model.circuit_
    return [
        circuit.root_weights,
        circuit.sum_weights,
        model.score_samples(frame),
        model.fit_report_["validation_log_likelihood"],
        model.sample(20, random_state=0)["money"].to_numpy(),
    ]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


@pytest.fixture(scope="module")
def default():
    frame = mixed_frame()
    weights = np.arange(len(frame)) % 3
    model = SharpPCDensity(random_state=0, n_jobs=1).fit(frame, sample_weight=weights)
    return frame, weights, bits_of(model, frame)


def test_weights_are_repetitions_in_any_order(default):
    frame, weights, expected = default
    repeated = frame.loc[frame.index.repeat(weights)].sample(frac=1.0, random_state=3)
    model = SharpPCDensity(random_state=0, n_jobs=1).fit(repeated.reset_index(drop=True))
    assert_same(bits_of(model, frame), expected)


def test_threads_do_not_matter(default):
    frame, weights, expected = default
    model = SharpPCDensity(random_state=0, n_jobs=2).fit(frame, sample_weight=weights)
    assert_same(bits_of(model, frame), expected)
