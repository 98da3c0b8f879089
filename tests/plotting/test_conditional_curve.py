"""Conditional curves: what is drawn is what the conditional distributions say."""

from unittest.mock import patch

import matplotlib as mpl
import numpy as np
import pandas
import pytest

mpl.use("Agg")
from matplotlib import pyplot as plt

from skpc import SharpPCDensity, SharpPCImputer
from skpc.plotting import ConditionalCurveDisplay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    c = rng.integers(0, 3, 200)
    x = rng.normal(c, 0.5)
    frame = pandas.DataFrame(
        {
            "kind": np.array(["a", "b", "c"])[c],
            "x": x,
            "y": 2 * x + rng.normal(0, 0.4, 200),
            "age": rng.integers(20, 30, 200) + c,
            "size": pandas.Categorical.from_codes(c, ["S", "M", "L"], ordered=True),
        }
    )
    return SharpPCDensity(
        n_latents=3, max_iter=4, random_state=0, n_jobs=1, feature_groups=[["x", "y"]]
    ).fit(frame)


@pytest.mark.parametrize("target", ["y", "age"])
@pytest.mark.parametrize("given", [None, {"kind": {"a", "b"}, "size": ("S", "M")}])
def test_medians_and_bands_are_those_of_each_condition(model, target, given):
    """Both for a column of the same group, and for another, which takes one pass."""
    display = ConditionalCurveDisplay.from_estimator(
        model, "x", target, given=given, values=[0.2, 1.0, 1.7], coverage=0.6
    )
    for i, value in enumerate(display.values):
        alone = model.condition(given).condition(x=value)
        expected = alone.quantile([0.2, 0.5, 0.8], target)
        found = [display.band[0, i], display.curves[i], display.band[1, i]]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_values_of_integers_of_a_wide_range_are_integers():
    rng = np.random.default_rng(0)
    big = rng.integers(0, 200_000, 200)
    frame = pandas.DataFrame({"big": big, "y": big + rng.normal(size=200)})
    wide = SharpPCDensity(n_latents=2, max_iter=3, random_state=0, n_jobs=1).fit(frame)
    display = ConditionalCurveDisplay.from_estimator(wide, "big", "y")
    assert all(isinstance(value, int) and 0 <= value <= 200_000 for value in display.values)
    assert len(display.values) == 100


def test_probabilities_are_those_of_each_condition(model):
    display = ConditionalCurveDisplay.from_estimator(model, "age", "kind", given={"x": (0, 1.5)})
    assert display.band is None
    assert display.categories == ["a", "b", "c"]
    assert all(isinstance(age, int) for age in display.values)
    alone = model.condition(x=(0, 1.5), age=display.values[2]).probabilities("kind")
    np.testing.assert_allclose(display.curves[2], list(alone.values()), rtol=1e-9)
    np.testing.assert_allclose(display.curves.sum(axis=1), 1.0, rtol=1e-9)
    lines = display.ax_.get_lines()
    assert [line.get_label() for line in lines] == ["a", "b", "c"]
    np.testing.assert_array_equal(lines[1].get_ydata(), display.curves[:, 1])


def test_the_band_and_the_median_are_drawn(model):
    display = ConditionalCurveDisplay.from_estimator(model, "x", "y", color="red")
    (line,) = display.ax_.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), display.values)
    np.testing.assert_array_equal(line.get_ydata(), display.curves)
    assert line.get_color() == "red"
    (band,) = display.ax_.collections
    low, high = band.get_datalim(display.ax_.transData).intervaly
    assert low == pytest.approx(display.band.min())
    assert high == pytest.approx(display.band.max())
    assert display.ax_.get_xlabel() == "x"
    assert display.ax_.get_ylabel() == "y"
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["80% of y", "median"]


def test_labels_are_ticks(model):
    display = ConditionalCurveDisplay.from_estimator(model, "kind", "size")
    assert [tick.get_text() for tick in display.ax_.get_xticklabels()] == ["a", "b", "c"]
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == ["S", "M", "L"]
    medians = [model.condition(kind=kind).median("size") for kind in "abc"]
    assert [display.categories[int(code)] for code in display.curves] == medians


def test_ordered_labels_are_drawn_in_steps(model):
    display = ConditionalCurveDisplay.from_estimator(model, "x", "size", coverage=0.5)
    for i in (0, 30, 60, 99):
        alone = model.condition(x=display.values[i]).quantile([0.25, 0.5, 0.75], "size")
        codes = [display.band[0, i], display.curves[i], display.band[1, i]]
        assert [display.categories[int(code)] for code in codes] == alone.tolist()
    (line,) = display.ax_.get_lines()
    assert line.get_drawstyle() == "steps-mid"
    (band,) = display.ax_.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert set(heights) <= {0.0, 1.0, 2.0}
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == ["S", "M", "L"]
    assert display.ax_.get_ylim() == (-0.5, 2.5)


@pytest.mark.parametrize("has_labels", [True, False])
def test_levels_of_counts_have_medians(has_labels):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    level = np.clip(np.rint(2 * x) + 3, 0, 6).astype(int)
    if has_labels:
        level = pandas.Categorical.from_codes(level, list("abcdefg"), ordered=True)
    frame = pandas.DataFrame({"x": x, "level": level})
    settings = {"n_latents": 3, "max_iter": 4, "random_state": 0, "n_jobs": 1}
    counts = SharpPCDensity(**settings, feature_types={"level": "binomial"}).fit(frame)
    display = ConditionalCurveDisplay.from_estimator(counts, "x", "level", values=[-1.0, 0.5])
    expected = [counts.condition(x=value).median("level") for value in (-1.0, 0.5)]
    medians = display.curves.astype(int).tolist()
    assert ([display.categories[code] for code in medians] if has_labels else medians) == expected
    assert display.band.shape == (2, 2)


def test_it_draws_again_into_given_axes(model):
    display = ConditionalCurveDisplay.from_estimator(model, "x", "age", values=[0.5, 1.0])
    _, ax = plt.subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


def test_the_grid_is_where_the_feature_is(model):
    display = ConditionalCurveDisplay.from_estimator(model, "x", "age", given={"kind": "a"})
    low, high = model.condition(kind="a").quantile([0.01, 0.99], "x")
    assert (display.values[0], display.values[-1]) == pytest.approx((low, high))
    assert len(display.values) == 100


def test_what_cannot_be_drawn_is_refused(model):
    draw = ConditionalCurveDisplay.from_estimator
    with pytest.raises(ValueError, match="two columns; got 'x' twice"):
        draw(model, "x", "x")
    with pytest.raises(ValueError, match="coverage must be between 0 and 1; got 2"):
        draw(model, "x", "y", coverage=2)
    with pytest.raises(ValueError, match="coverage must be between 0 and 1; got 'a'"):
        draw(model, "x", "y", coverage="a")
    with pytest.raises(ValueError, match="values must have one value of the feature at least"):
        draw(model, "x", "y", values=[])
    with pytest.raises(ValueError, match="column names 'z'"):
        draw(model, "x", "z")
    with pytest.raises(ValueError, match="'z' to column 'kind', where fit saw no such value"):
        draw(model, "kind", "x", values=["z"])
    with pytest.raises(ValueError, match=r"values has 25\.5, which column 'age' cannot have"):
        draw(model, "age", "x", values=[25, 25.5])
    message = "given tells of column 'age', which is the feature, an axis.*what is drawn.*values"
    with pytest.raises(ValueError, match=message):
        draw(model, "age", "x", given={"age": (22, 25)})
    with pytest.raises(ValueError, match="given tells of column 'kind', which is the target"):
        draw(model, "x", "kind", given={"kind": {"a", "c"}})
    with pytest.raises(TypeError, match="ConditionalCurveDisplay needs a SharpPCDensity"):
        draw(SharpPCImputer(), "x", "y")
    with (
        patch.dict("sys.modules", {"matplotlib": None}),
        pytest.raises(ImportError, match="ConditionalCurveDisplay draws with matplotlib"),
    ):
        draw(model, "x", "y")
