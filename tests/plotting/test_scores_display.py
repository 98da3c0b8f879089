"""Histograms of scores: every row is drawn or counted, on its side of the threshold."""

import matplotlib as mpl
import numpy as np
import pandas
import pytest
from readable import assert_readable

mpl.use("Agg")
from matplotlib import pyplot as plt

from skpc import SharpPCDensity, SharpPCOutlierDetector
from skpc.plotting import ScoresDisplay


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return np.vstack([rng.normal(size=(150, 2)), rng.normal(6.0, 1.0, size=(3, 2))])


def detector(X, **parameters):
    settings = {"n_components": 2, "random_state": 0}
    return SharpPCOutlierDetector(2, **{**settings, **parameters}).fit(X)


def heights(display):
    """Rows in the bars of each colour, in the order of the legend."""
    return [patch.get_data().values for patch in display.ax_.patches]


def legend_of(display):
    return [text.get_text().replace("\n", " ") for text in display.ax_.get_legend().get_texts()]


@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_bars_count_what_is_flagged_and_what_is_not(X, contamination):
    model = detector(X, contamination=contamination)
    display = ScoresDisplay.from_estimator(model, X)
    is_flagged = model.predict(X) == -1
    assert 3 <= is_flagged.sum() < 30
    usual, flagged = heights(display)
    scores = model.score_samples(X)
    np.testing.assert_array_equal(usual, np.histogram(scores[~is_flagged], display.edges_)[0])
    np.testing.assert_array_equal(flagged, np.histogram(scores[is_flagged], display.edges_)[0])
    assert usual.sum() + flagged.sum() + display.n_beyond_ == len(X)
    # No bar has rows of both kinds: an edge is at the threshold.
    assert not (usual * flagged).any()
    assert np.abs(display.edges_ - model.offset_).min() < 1e-9
    (line,) = display.ax_.lines
    assert line.get_xdata()[0] == model.offset_
    texts = legend_of(display)
    assert texts[1] == f"flagged: {is_flagged.sum()} of 153 rows"
    assert ("0.1 of new rows" if contamination != "auto" else "lower quartile") in texts[2]
    assert_readable(display.figure_)


def test_every_flagged_row_has_a_mark(X):
    model = detector(X)
    display = ScoresDisplay.from_estimator(model, X)
    (rug,) = display.ax_.collections
    scores = np.sort(model.score_samples(X)[model.predict(X) == -1])
    marks = [segment[0, 0] for segment in rug.get_segments()]
    np.testing.assert_allclose(np.sort(marks), scores[display.n_beyond_ :])


def test_an_outlier_far_out_takes_no_room_from_the_others(X):
    model = detector(X)
    far = np.vstack([X, [[1e4, 0.0], [1e5, 0.0]]])
    display = ScoresDisplay.from_estimator(model, far)
    assert display.n_beyond_ == (model.score_samples(far) < display.edges_[0]).sum() >= 2
    assert np.ptp(display.edges_) < 100
    assert (
        f"\n{display.n_beyond_} rows farther left, down to \N{MINUS SIGN}"
        in display.ax_.get_xlabel()
    )
    assert legend_of(display)[1].endswith("of 155 rows")
    assert_readable(display.figure_)


def test_a_false_discovery_rate_has_a_threshold_of_the_table_or_none(X):
    model = detector(X, false_discovery_rate=0.2, max_samples=40)
    new = np.vstack([np.random.default_rng(1).normal(size=(30, 2)), np.full((9, 2), 30.0)])
    display = ScoresDisplay.from_estimator(model, new)
    _, flagged = heights(display)
    is_flagged = model.predict(new) == -1
    assert flagged.sum() + display.n_beyond_ == is_flagged.sum() >= 9
    assert "at most 0.2 are false alarms" in legend_of(display)[2]
    none = ScoresDisplay.from_estimator(model, new[~is_flagged])
    assert (model.predict(new[~is_flagged]) == 1).all()
    assert len(heights(none)) == 1
    assert not none.ax_.lines
    assert legend_of(none) == ["rows; none flagged at a false discovery rate of 0.2"]


def test_a_density_has_scores_and_no_threshold():
    frame = pandas.DataFrame({"kind": list("ab") * 30, "size": np.arange(60.0)})
    frame.loc[::7, "size"] = np.nan
    model = SharpPCDensity(2, max_iter=3, random_state=0).fit(frame)
    display = ScoresDisplay.from_estimator(model, frame)
    (counts,) = heights(display)
    assert counts.sum() + display.n_beyond_ == 60
    assert display.ax_.get_xlabel().startswith("log-likelihood, nats")
    assert legend_of(display) == ["rows"]


@pytest.mark.parametrize("scores", [[-3.0], [-3.0, -3.0], [-3.0, -2.0], [0.0, 1e-300]])
@pytest.mark.parametrize("threshold", [None, -3.0, -5.0, 4.0])
def test_few_or_equal_scores_are_drawn(scores, threshold):
    display = ScoresDisplay(np.array(scores), threshold=threshold, meaning="threshold").plot()
    assert sum(part.sum() for part in heights(display)) == len(scores)
    display.figure_.canvas.draw()


def test_many_rows_far_out_are_counted_and_rare_scores_among_equal_ones_drawn():
    rng = np.random.default_rng(0)
    far = ScoresDisplay(np.append(rng.normal(size=100), rng.normal(-1e5, 1.0, 20))).plot()
    assert far.n_beyond_ == 20
    equal = ScoresDisplay(np.append(np.zeros(97), [-1.0, -4.0, -9.0])).plot()
    assert equal.n_beyond_ == 0


def test_a_narrow_picture_can_be_read(X):
    ax = plt.figure(figsize=(3.0, 2.8), layout="constrained").subplots()
    assert_readable(ScoresDisplay.from_estimator(detector(X), X, ax=ax).figure_)
