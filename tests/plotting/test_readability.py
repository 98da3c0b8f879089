"""Ticks, names and notes that can be read, whatever the columns are and however small the axes."""

from itertools import pairwise

import numpy as np
import pandas
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm
from readable import assert_readable, drawn_texts

from skpc import SharpPCDensity
from skpc.plotting import (
    ConditionalCurveDisplay,
    ContributionsDisplay,
    CurvatureDisplay,
    SamplesDisplay,
    StructureDisplay,
)
from skpc.plotting._base import all_shortened, log_bar, plain
from skpc.plotting._column_pair import ColumnPair
from skpc.plotting._ticks import PlainFormatter, number_axis

LONG = [f"total energy consumption for {what} in kWh per year" for what in ("heat", "light", "it")]


def table(n_rows=200):
    """Prices, dates as numbers, heavy tails, and long names."""
    rng = np.random.default_rng(0)
    price = np.round(np.exp(rng.normal(10.5, 0.8, n_rows)))
    days = pandas.Timestamp("2019-01-01") + pandas.to_timedelta(rng.integers(0, 900, n_rows), "D")
    return pandas.DataFrame(
        {
            LONG[0]: price,
            LONG[1]: price * rng.uniform(0.5, 1.5, n_rows),
            LONG[2]: rng.standard_cauchy(n_rows),
            "yyyymmdd": days.strftime("%Y%m%d").astype(int),
            "year": days.year,
            "kind": rng.choice(["detached house", "flat in a large house", "other"], n_rows),
        }
    )


@pytest.fixture(scope="module")
def frame():
    return table()


@pytest.fixture(scope="module")
def model(frame):
    return SharpPCDensity(n_latents=3, max_iter=5, n_jobs=1, random_state=0).fit(frame)


def narrow(width=3.0, height=2.8):
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


@pytest.mark.parametrize(
    "limits", [(25_000, 185_000), (20190101, 20230105), (2007, 2009), (0, 1e-3)]
)
@pytest.mark.parametrize("width", [1.2, 2.0, 4.0])
@pytest.mark.parametrize("axis_name", ["x", "y"])
def test_ticks_of_numbers_are_apart_and_say_what_they_are(limits, width, axis_name):
    ax = narrow(width, width)
    getattr(ax, f"set_{axis_name}lim")(*limits)
    axis = getattr(ax, f"{axis_name}axis")
    other = ax.yaxis if axis_name == "x" else ax.xaxis
    other.set_ticks([])
    number_axis(axis, are_whole=limits == (2007, 2009))
    shown = drawn_texts(ax.figure)
    assert shown
    for (name, first), (following, second) in pairwise(shown):
        gap = second.x0 - first.x1 if axis_name == "x" else second.y0 - first.y1
        assert gap > 1.0, f"{name} and {following} run together"
    told = [float(text.replace("\N{MINUS SIGN}", "-")) for text, _ in shown]
    np.testing.assert_allclose(told, axis.get_majorticklocs(), rtol=1e-9)
    if limits == (2007, 2009):
        assert all(tick == round(tick) for tick in told)


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([20200000, 20220000], ["20200000", "20220000"]),
        ([-0.5, 0.0, 0.5], ["\N{MINUS SIGN}0.5", "0.0", "0.5"]),
        ([0.0, 2.5e-9], ["0", "2.5e\N{MINUS SIGN}09"]),
        ([1e15, 2e15], ["1e+15", "2e+15"]),
        ([2019.0], ["2019"]),
        ([], []),
    ],
)
def test_labels_of_ticks_have_no_common_part(ticks, labels):
    assert PlainFormatter().format_ticks(ticks) == labels


def test_numbers_in_texts_are_plain():
    assert [plain(value) for value in (20210105.0, 12345.0, -0.12345)] == [
        "20210105",
        "12,345",
        "\N{MINUS SIGN}0.123",
    ]


def test_names_that_differ_still_do_when_they_are_short():
    for longest in 8, 12, 18:
        short = all_shortened([*LONG, "age", LONG[0]], longest)
        assert len({*short}) == 4
        assert short[0] == short[4]
        assert short[3] == "age"
        assert all(len(name) <= longest for name in short)
    assert "light" in all_shortened(LONG)[1]
    same = ["a" * 30 + letter + "b" * 30 for letter in "xy"]
    assert len({*all_shortened(same)}) == 2
    assert all_shortened([]) == []


@pytest.mark.parametrize("kind", ["margins", "pairs", "correlations"])
def test_tables_of_large_numbers_and_long_names_are_readable(kind, model, frame):
    display = SamplesDisplay.from_estimator(model, frame, kind=kind)
    assert_readable(display.figure_)
    if kind == "margins":
        names = {ax.get_title(loc="left")[:-6] for ax in display.axes_}
        assert len(names) == frame.shape[1]


def test_what_is_far_out_is_counted_in_a_note():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=997), [500.0, 700.0, -900.0]])
    pair = ColumnPair("x", values, rng.normal(size=1000), None)
    low, high = pair.limits()
    assert -10.0 < low < -2.0 < 2.0 < high < 10.0
    n_below, n_above = (values < low).sum(), (values > high).sum()
    assert n_below >= 1
    assert n_above >= 2
    assert pair.beyond() == f"{n_below} below {plain(low)}, {n_above} above {plain(high)}"
    display = SamplesDisplay(values[:, None], pair.draws[:, None], ["x"], [None]).plot()
    assert display.ax_.get_xlabel() == f"outer bars: {pair.beyond()}"
    assert_readable(display.figure_)
    counted = display.ax_.patches[0].get_data().values * len(values)
    np.testing.assert_allclose(counted.sum(), len(values))  # the outer bars have the rest


@pytest.mark.parametrize("draw", ["normal", "uniform", "exponential"])
def test_what_is_not_far_out_is_drawn_to_scale_without_a_note(draw):
    values = getattr(np.random.default_rng(0), draw)(size=500)
    pair = ColumnPair("x", values, values[::-1], None)
    assert pair.limits() == (values.min(), values.max())
    assert pair.beyond() == ""
    display = SamplesDisplay(values[:, None], values[:, None], ["x"], [None]).plot()
    assert display.ax_.get_xlabel() == ""


def test_points_that_are_not_shown_are_counted():
    rng = np.random.default_rng(0)
    data, draws = rng.normal(size=(2, 300, 2))
    data[:3, 0] = 1e4
    draws[0, 1] = -1e4
    display = SamplesDisplay(data, draws, ["x", "y"], [None, None]).plot(kind="pairs")
    labels = [(ax.get_xlabel(), ax.get_ylabel()) for ax in display.axes_]
    assert labels == [("x\n3 not shown", "y"), ("x", "y\n1 not shown")]


@pytest.mark.parametrize("shape", [None, (1, 3)])
def test_colours_of_contributions_are_centred_at_zero(shape):
    contributions = np.array([[-0.5, 0.0, 4.0], [0.2, -1.0, 0.0]])
    display = ContributionsDisplay(contributions, ["a", "b", "c"]).plot(image_shape=shape)
    (drawn, *_) = [*display.ax_.collections, *display.ax_.images]
    assert drawn.get_clim() == (-4.0, 4.0)
    white = drawn.to_rgba(0.0)
    np.testing.assert_allclose(white, 1.0, atol=0.01)
    below, above = drawn.to_rgba(-2.0), drawn.to_rgba(2.0)
    assert below[2] > below[0] + 0.3  # blue
    assert above[0] > above[2] + 0.3  # orange
    labels = [ax.get_ylabel() for ax in display.figure_.axes]
    assert "excess surprise, nats\n(0 is usual)" in labels
    raw = ContributionsDisplay(contributions, ["a", "b", "c"], quantity="surprise").plot()
    assert "surprise, nats" in [ax.get_ylabel() for ax in raw.figure_.axes]
    plt.close("all")
    other = ContributionsDisplay(contributions, ["a", "b", "c"]).plot(norm=LogNorm(0.1, 4.0))
    assert isinstance(other.ax_.collections[0].norm, LogNorm)


@pytest.mark.parametrize(
    "values",
    [[5.05, 0.3, -0.95], [-0.2, -0.9, -0.7], [0.0, 0.0, 0.0], [4, 1, 2]],
)
@pytest.mark.parametrize("width", [3.0, 5.6])
def test_numbers_beside_bars_are_within_the_axes(values, width):
    cells = np.array([[20210105.0, "flat in a large house", 3.25]], object)
    display = ContributionsDisplay(np.array([values], float), LONG, values=cells)
    display.plot(narrow(width))
    assert_readable(display.figure_)
    box = display.ax_.get_window_extent().padded(1)
    texts = {text.get_text(): text.get_window_extent() for text in display.ax_.texts}
    assert texts
    for name, extent in texts.items():
        assert box.x0 <= extent.x0, name
        assert extent.x1 <= box.x1, name
    ticks = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert any("20210105" in tick for tick in ticks)


def test_impossible_values_have_a_short_number():
    """A value that no state can have exceeds all by 1e100 nats."""
    display = ContributionsDisplay(np.array([[1e100, -1e7, 0.0]]), LONG).plot()
    assert_readable(display.figure_)
    numbers = [text.get_text() for text in display.ax_.texts]
    assert numbers == ["1e+100", "0.00", "\N{MINUS SIGN}1e+07"]


@pytest.mark.parametrize(("feature", "target"), [(0, 1), (1, 5), (5, 0), ("year", 2), (3, 4)])
@pytest.mark.parametrize("size", [(5.6, 3.8), (3.0, 2.8)])
def test_curves_are_readable_and_their_legend_covers_nothing(feature, target, size, model, frame):
    ax = narrow(*size)
    display = ConditionalCurveDisplay.from_estimator(model, feature, target, ax=ax)
    assert_readable(display.figure_)
    legend = ax.get_legend().get_window_extent()
    assert legend.y0 >= ax.get_window_extent().y1 - 1.0
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len({*texts}) == len(texts)
    if feature == "year":
        ticks = ax.get_xticks()
        assert all(tick == round(tick) for tick in ticks)


@pytest.mark.parametrize("size", [(9.0, 3.0), (5.0, 4.0)])
def test_curvature_of_long_names_is_readable(size, model, frame):
    axes = plt.subplots(1, 3, figsize=size, layout="constrained")[1]
    display = CurvatureDisplay.from_estimator(model, frame, ax=axes)
    assert_readable(display.figure_)
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert len({*names}) == len(names)


@pytest.mark.parametrize("size", [(8.0, 6.4), (3.4, 3.4)])
def test_nodes_of_long_names_that_differ_in_the_middle_are_told_apart(size, model, frame):
    display = StructureDisplay.from_estimator(model, frame, ax=narrow(*size))
    assert_readable(display.figure_)
    text = " ".join(text.get_text() for text in display.texts_)
    assert all(word in text for word in ("heat", "light", "it"))


@pytest.mark.parametrize(("low", "high"), [(5.1, 15.3), (0.5, 1.5), (3.4, 9.9), (1e-3, 1.0)])
@pytest.mark.parametrize("location", ["right", "bottom"])
def test_bars_of_logarithmic_colours_have_several_ticks_that_are_apart(low, high, location):
    ax = narrow()
    mesh = ax.pcolormesh([[low, high]], norm=LogNorm(low, high))
    ax.set_axis_off()
    log_bar(mesh, ax, location=location, label="a long label that has to be broken into lines")
    assert_readable(ax.figure)
    ticks = (
        ax.figure.axes[1].get_yticks() if location == "right" else ax.figure.axes[1].get_xticks()
    )
    assert ((ticks >= low) & (ticks <= high)).sum() >= 2
