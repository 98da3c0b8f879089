"""A table beside draws: what is drawn is what was computed, of tables of any kind."""

import matplotlib as mpl
import numpy as np
import pandas
import polars
import pytest
from readable import assert_readable
from scipy.sparse import csr_array

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from skpc import SharpPCDensity, SharpPCOutlierDetector
from skpc.plotting import SamplesDisplay

KINDS = ["margins", "pairs", "correlations"]


def mixed(n_rows=120):
    """Labels, integers, a constant, what is often zero, and holes."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=n_rows)
    frame = pandas.DataFrame(
        {
            "kind": np.where(size > 0, "heavy", "light"),
            "count": rng.poisson(np.exp(1 + size / 2)),
            "an amount of some length, in euro": np.where(size > 0.5, 0.0, np.exp(2 * size)),
            "constant": 1.5,
            "town": [f"town {i}" for i in rng.integers(0, 15, n_rows)],
            "flag": rng.random(n_rows) < 0.3,
            "size": size,
        }
    )
    frame.loc[::5, "size"] = np.nan
    frame.loc[::9, "kind"] = None
    return frame


def fitted(X, **parameters):
    defaults = {"n_latents": 2, "max_iter": 3, "random_state": 0, "n_jobs": 1}
    return SharpPCDensity(**{**defaults, **parameters}).fit(X)


@pytest.fixture(scope="module")
def frame():
    return mixed()


@pytest.fixture(scope="module")
def model(frame):
    return fitted(frame)


def titles(display):
    return [ax.get_title(loc="left") or ax.get_title() for ax in display.axes_]


@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_all_kinds_of_columns_are_readable(kind, model, frame):
    display = SamplesDisplay.from_estimator(model, frame, kind=kind)
    assert_readable(display.figure_)
    assert all(ax.has_data() for ax in display.axes_)
    ax = plt.figure(figsize=(9, 9), layout="constrained").subplots()
    one = SamplesDisplay.from_estimator(model, frame, kind=kind, ax=ax)
    assert_readable(one.figure_)


def test_margins_are_in_the_order_of_their_differences(model, frame):
    display = SamplesDisplay.from_estimator(model, frame)
    found = dict(title.rsplit("  ", 1) for title in titles(display))
    assert len(found) == 7
    shown = [float(value) for value in found.values()]
    assert shown == sorted(shown, reverse=True)
    np.testing.assert_allclose(shown, -np.sort(-display.differences_), atol=0.005)
    assert float(found["constant"]) == 0.0
    few = SamplesDisplay.from_estimator(model, frame, max_panels=2)
    shown = [title.rsplit("  ", 1)[1] for title in titles(few)]
    assert shown == [title.rsplit("  ", 1)[1] for title in titles(display)[:2]]
    legend = few.ax_.get_legend()
    assert legend.get_title().get_text().startswith("2 of 7 columns")
    assert [text.get_text() for text in legend.get_texts()] == [
        "data, 120 rows",
        "model, 1,000 draws",
    ]


def test_histograms_and_bars_are_shares_of_data_and_of_draws(frame):
    display = SamplesDisplay.from_estimator(fitted(frame), frame, features=["size", "kind"])
    panels = dict(zip((title.split()[0] for title in titles(display)), display.axes_, strict=True))
    drawn = [patch.get_data() for patch in panels["size"].patches]
    for part, values in zip(drawn, (display.data[:, 0], display.draws[:, 0]), strict=True):
        values = values[~np.isnan(values)]
        counts, _ = np.histogram(np.clip(values, part.edges[0], part.edges[-1]), part.edges)
        np.testing.assert_allclose(part.values, counts / len(values))
        assert part.values.sum() == pytest.approx(1.0)
    widths = [bar.get_width() for bar in panels["kind"].patches]
    shares = frame["kind"].value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(widths[:2], shares)
    np.testing.assert_allclose(widths[2], (display.draws[:, 1] == 0).mean())
    assert [a.get_text() for a in panels["kind"].get_yticklabels()] == ["heavy", "light"]


def test_a_column_that_has_moved_comes_first(model, frame):
    moved = frame.assign(size=frame["size"] + 10)
    display = SamplesDisplay.from_estimator(model, moved)
    assert titles(display)[0] == "size  1.00"


def test_the_pairs_that_depend_most_are_drawn_data_left_and_model_right():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 4))
    X[:, 3] = X[:, 1] + 0.1 * rng.normal(size=150)
    display = SamplesDisplay.from_estimator(fitted(X, n_latents=8, max_iter=20), X, kind="pairs")
    assert display.axes_.size == 6
    left, right = display.axes_[:2]
    assert [left.get_xlabel(), left.get_ylabel()] == ["x1", "x3"]
    points = left.collections[0].get_offsets()
    np.testing.assert_allclose(points, X[:, [1, 3]])
    V = display.dependences_[:, 1, 3]
    assert V[0] > 0.8
    assert titles(display)[:2] == [f"data: Cramér's V {V[0]:.2f}", f"model: Cramér's V {V[1]:.2f}"]
    assert left.get_xlim() == right.get_xlim()
    drawn = right.collections[0].get_offsets()
    assert len(drawn) == 500
    assert set(drawn[:, 0]) <= set(display.draws[:, 1])


def test_correlations_are_those_of_data_and_of_draws(model, frame):
    display = SamplesDisplay.from_estimator(model, frame, kind="correlations", max_panels=5)
    data, draws = (ax.collections[0].get_array() for ax in display.axes_)
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert "constant" not in names
    assert "kind" in names
    kept = [list(frame.columns).index(name) for name in ("kind", "count", "size")]
    places = [names.index(name) for name in ("kind", "count", "size")]
    for cells, expected in zip((data, draws), display.dependences_, strict=True):
        for a in (0, 1):
            for b in range(a + 1, 3):
                assert cells[places[a], places[b]] == expected[kept[a], kept[b]]
        assert np.diagonal(cells.mask).all()


def test_frames_arrays_and_sparse_tables_give_the_same_picture():
    X = (np.random.default_rng(0).random((80, 5)) < 0.3).astype(float)
    model = fitted(X)
    plain = SamplesDisplay.from_estimator(model, X)
    sparse = SamplesDisplay.from_estimator(model, csr_array(X))
    assert np.array_equal(plain.data, sparse.data)
    assert np.array_equal(plain.draws, sparse.draws)
    frame = mixed()
    of_polars = fitted(polars.from_pandas(frame))
    display = SamplesDisplay.from_estimator(of_polars, polars.from_pandas(frame), kind="pairs")
    assert display.labels[0] == ["heavy", "light"]
    assert display.labels[2] is None


def test_labels_that_fit_did_not_see_are_told(model, frame):
    new = frame.assign(kind="huge")
    display = SamplesDisplay.from_estimator(model, new, features=["kind"])
    assert [a.get_text() for a in display.ax_.get_yticklabels()] == [
        "heavy",
        "light",
        "not in fit",
    ]
    assert titles(display) == ["kind  1.00"]


@pytest.mark.parametrize("kind", ["binomial", "numeric", "categorical"])
def test_levels_in_order_are_drawn_under_their_names(kind):
    levels = pandas.CategoricalDtype(["low", "mid", "high"], ordered=True)
    codes = np.random.default_rng(0).integers(0, 3, 60)
    frame = pandas.DataFrame({"grade": pandas.Categorical.from_codes(codes, dtype=levels)})
    model = fitted(frame, n_latents=1, feature_types=[kind])
    display = SamplesDisplay.from_estimator(model, frame)
    drawn = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert set(drawn) == set(levels.categories)
    widths = [bar.get_width() for bar in display.ax_.patches][:3]
    shares = frame["grade"].value_counts(normalize=True)
    np.testing.assert_allclose(widths, shares[drawn])


def test_one_seed_gives_one_picture_and_the_table_is_left_as_it_is(model, frame):
    before = frame.copy()
    some, again = (SamplesDisplay.from_estimator(model, frame) for _ in range(2))
    other = SamplesDisplay.from_estimator(model, frame, random_state=1)
    np.testing.assert_array_equal(some.draws, again.draws)
    assert not np.array_equal(some.draws, other.draws)
    pandas.testing.assert_frame_equal(frame, before)


def test_long_and_wide_tables_are_cut(model, frame):
    long = pandas.concat([frame] * 100, ignore_index=True)
    display = SamplesDisplay.from_estimator(model, long)
    assert display.data.shape == display.draws.shape == (10_000, 7)
    X = (np.random.default_rng(0).random((30, 230)) < 0.5).astype(int)
    wide = fitted(X, n_latents=1, structure="chain")
    assert SamplesDisplay.from_estimator(wide, X, n_samples=20).draws.shape == (20, 200)
    last = SamplesDisplay.from_estimator(wide, X, n_samples=20, features=[229])
    assert titles(last)[0].startswith("x229")


def test_what_holds_a_density_is_asked_for_its_draws(frame):
    X = frame[["size", "count"]]
    detector = SharpPCOutlierDetector(2, n_components=2, random_state=0).fit(X)
    some, of_mixture = (
        SamplesDisplay.from_estimator(one, X) for one in (detector, detector.estimator_)
    )
    np.testing.assert_array_equal(some.draws, of_mixture.draws)


def test_wrong_arguments_are_refused(model, frame):
    for kwargs, message in [
        ({"kind": "margin"}, r"kind must be one of 'margins', 'pairs', 'correlations'; got"),
        ({"n_samples": 0}, "n_samples must be an int of at least 1"),
        ({"max_panels": 0}, "max_panels must be an int of at least 1"),
        ({"features": ["nothing"]}, "nothing"),
        ({"features": ["size"], "kind": "pairs"}, "needs two columns"),
    ]:
        with pytest.raises(ValueError, match=message):
            SamplesDisplay.from_estimator(model, frame, **kwargs)
    with pytest.raises(ValueError, match="or 7 for as many panels"):
        SamplesDisplay.from_estimator(model, frame, ax=Figure().subplots(1, 2))
