"""Pictures: what is drawn is what was computed, where it should be, and can be read."""

import sys
from dataclasses import replace
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas
import pytest
from readable import assert_readable
from scipy.linalg import null_space
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from skpc import SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector
from skpc._circuit.tree import depths_of, tree_of_region
from skpc.curvature import hessian, node_curvature
from skpc.plotting import (
    ContributionsDisplay,
    CurvatureDisplay,
    FitHistoryDisplay,
    LossLandscapeDisplay,
    MuPathDisplay,
    SamplesDisplay,
    ScoresDisplay,
    StructureDisplay,
)
from skpc.plotting._layout import pushed_apart, tree_positions

DISPLAYS = [
    ContributionsDisplay,
    CurvatureDisplay,
    FitHistoryDisplay,
    LossLandscapeDisplay,
    MuPathDisplay,
    SamplesDisplay,
    ScoresDisplay,
    StructureDisplay,
]


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    latent = rng.integers(0, 3, 150)
    return (rng.random((150, 9)) < np.array([0.1, 0.5, 0.9])[latent][:, None]).astype(int)


def density(**parameters):
    defaults = {"n_latents": 3, "max_iter": 20, "random_state": 0, "n_jobs": 1}
    return SharpPCDensity(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def fitted(X):
    return density().fit(X)


@pytest.fixture(scope="module")
def search_cv(X):
    return SharpPCDensityCV(density(), mus=[0, 0.1, 1], cv=3).fit(X)


def draw(kind, estimator, X, **kwargs):
    """A display of one fitted density."""
    if kind in (FitHistoryDisplay, MuPathDisplay):
        return kind.from_estimator(estimator, **kwargs)
    if kind is LossLandscapeDisplay:
        kwargs = {"n_steps": 5, "n_eigenvalues": 3, **kwargs}
    return kind.from_estimator(estimator, X[:4] if kind is ContributionsDisplay else X, **kwargs)


# What all displays have in common


@pytest.mark.parametrize("kind", DISPLAYS)
def test_default_size_is_readable(kind, fitted, search_cv, X):
    display = draw(kind, search_cv if kind is MuPathDisplay else fitted, X)
    assert_readable(display.figure_)


@pytest.mark.parametrize("kind", DISPLAYS)
def test_given_axes_are_drawn_into_and_no_figure_is_made(kind, fitted, search_cv, X):
    figure = Figure(figsize=(14, 6), layout="constrained")
    left, right = figure.subplots(1, 2)
    display = draw(kind, search_cv if kind is MuPathDisplay else fitted, X, ax=right)
    assert not plt.get_fignums()
    assert display.figure_ is figure
    figure.canvas.draw()
    assert left.has_data() is False
    for ax in getattr(display, "axes_", [display.ax_]):
        assert ax.get_position().x0 > left.get_position().x1
        assert ax.has_data()


@pytest.mark.parametrize("kind", DISPLAYS)
def test_plot_draws_again_from_the_arrays_alone(kind, fitted, search_cv, X):
    display = draw(kind, search_cv if kind is MuPathDisplay else fitted, X)
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first
    assert np.array_equal(_pixels(display.figure_), _pixels(first))


def _pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


@pytest.mark.parametrize("kind", DISPLAYS)
def test_unfitted_estimators_are_refused(kind, X):
    estimator = SharpPCDensityCV() if kind is MuPathDisplay else density()
    with pytest.raises(NotFittedError):
        draw(kind, estimator, X)


OF_TABLES = [
    CurvatureDisplay,
    LossLandscapeDisplay,
    SamplesDisplay,
    ScoresDisplay,
    StructureDisplay,
]


@pytest.mark.parametrize("kind", OF_TABLES)
def test_missing_columns_are_named(kind, X):
    frame = pandas.DataFrame(X, columns=[f"c{j}" for j in range(9)])
    with pytest.raises(ValueError, match="c8"):
        draw(kind, density().fit(frame), frame.drop(columns="c8"))


@pytest.mark.parametrize("kind", [*OF_TABLES, ContributionsDisplay])
def test_a_pipeline_is_refused_with_a_remedy(kind, X):
    pipeline = make_pipeline(FunctionTransformer(), density()).fit(X)
    with pytest.raises(TypeError, match="pass the last step"):
        draw(kind, pipeline, X)


@pytest.mark.parametrize("kind", DISPLAYS)
def test_a_missing_matplotlib_says_what_to_install(kind, fitted, search_cv, X, monkeypatch):
    estimator = search_cv if kind is MuPathDisplay else fitted
    display = draw(kind, estimator, X)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=rf'{kind.__name__}.*pip install "skpc\[plot\]"'):
        draw(kind, estimator, X)
    with pytest.raises(ImportError, match="pip install"):
        display.plot()


@pytest.mark.parametrize("kind", [MuPathDisplay, CurvatureDisplay])
def test_a_wrong_number_of_axes_is_refused(kind, fitted, search_cv, X):
    axes = Figure().subplots(1, 2)
    with pytest.raises(ValueError, match="one Axes, or 3"):
        draw(kind, search_cv if kind is MuPathDisplay else fitted, X, ax=axes)
    with pytest.raises(ValueError, match="no grid"):
        draw(
            kind,
            search_cv if kind is MuPathDisplay else fitted,
            X,
            ax=Figure().add_axes((0, 0, 1, 1)),
        )


# FitHistoryDisplay


def test_history_is_that_of_the_fit(X):
    model = density(early_stopping=True, max_iter=40).fit(X)
    display = FitHistoryDisplay.from_estimator(model)
    train, validation = display.lines_
    n_iter = len(model.validation_run_log_likelihoods_)
    assert not np.array_equal(model.validation_run_log_likelihoods_, model.log_likelihoods_)
    assert np.array_equal(train.get_ydata(), model.validation_run_log_likelihoods_)
    assert np.array_equal(train.get_xdata(), np.arange(n_iter))
    assert np.array_equal(validation.get_ydata(), model.validation_log_likelihoods_)
    assert np.array_equal(validation.get_xdata(), np.arange(n_iter + 1))
    assert [line.get_xdata()[0] for line in display.ax_.lines[2:]] == [model.best_iteration_]
    assert display.sharpness_ax_ is None


@pytest.mark.parametrize("n_iter", [1, 2, 4, 7, 150])
@pytest.mark.parametrize("log_x", [False, True])
def test_ticks_of_iterations_are_integers(n_iter, log_x):
    for width in 2.5, 6.4:
        ax = Figure(figsize=(width, 3), layout="constrained").subplots()
        display = FitHistoryDisplay(-np.exp(-np.arange(n_iter) / 3)).plot(ax, log_x=log_x)
        display.figure_.canvas.draw()
        ticks = ax.get_xticks()
        assert len(ticks)
        assert np.array_equal(ticks, np.rint(ticks))


def test_stages_are_one_fit_seen_at_several_iterations(X):
    """Against separate fits, each from the start."""
    estimator = density(mu=0.1, init="random")
    display = FitHistoryDisplay.from_fits(
        estimator, X[:100], X_val=X[100:], iterations=[1, 4, 9], log_x=True
    )
    train, validation, sharpness = display.lines_
    settings = {"mu": 0.1, "init": "random", "early_stopping": False, "tol": 0}
    for i, n_iter in enumerate([1, 4, 9]):
        fit = density(**settings, max_iter=n_iter).fit(X[:100])
        np.testing.assert_allclose(train.get_ydata()[n_iter], fit.score(X[:100]), rtol=1e-9)
        np.testing.assert_allclose(validation.get_ydata()[i], fit.score(X[100:]), rtol=1e-9)
        np.testing.assert_allclose(sharpness.get_ydata()[i], fit.sharpness(X[:100]), rtol=1e-7)
        assert validation.get_xdata()[i] == sharpness.get_xdata()[i] == n_iter
    assert len(train.get_ydata()) == 10
    assert sharpness.axes is display.sharpness_ax_
    assert not hasattr(estimator, "circuit_")
    assert_readable(display.figure_)


def test_stages_honour_weights(X):
    weights = np.arange(len(X)) % 3
    kwargs = {"iterations": [2, 5]}
    display = FitHistoryDisplay.from_fits(density(), X, sample_weight=weights, **kwargs)
    repeated = FitHistoryDisplay.from_fits(density(), np.repeat(X, weights, axis=0), **kwargs)
    np.testing.assert_allclose(display.sharpness, repeated.sharpness, rtol=1e-9)
    np.testing.assert_allclose(display.train, repeated.train, rtol=1e-9)


@pytest.mark.parametrize("parameters", [{"solver": "adam"}, {"batch_size": 20}])
def test_stages_need_full_batch_em(parameters, X):
    with pytest.raises(ValueError, match="beginning of a longer one"):
        FitHistoryDisplay.from_fits(density(**parameters), X)


@pytest.mark.parametrize("iterations", [[], [0, 3], [5, 5], [4, 2], 7])
def test_stages_must_ascend(iterations, X):
    with pytest.raises(ValueError, match="iterations must be ascending"):
        FitHistoryDisplay.from_fits(density(), X, iterations=iterations)


# MuPathDisplay


def bars(ax):
    """Centres and error bars (2, n) that an axes shows."""
    (container,) = ax.containers
    line, _, (segments,) = container.lines
    ends = np.array([segment[:, 1] for segment in segments.get_segments()])
    return line.get_xdata(), line.get_ydata(), ends.T


def test_path_shows_means_and_errors_of_folds(search_cv):
    display = MuPathDisplay.from_estimator(search_cv, paired=False)
    parts = [search_cv.cv_log_likelihoods_, search_cv.cv_overfitting_]
    for ax, values in zip(display.axes_, parts, strict=False):
        _, centres, ends = bars(ax)
        error = values.std(axis=1, ddof=1) / np.sqrt(3)
        np.testing.assert_allclose(centres, values.mean(axis=1))
        np.testing.assert_allclose(ends, [centres - error, centres + error])
    logs = np.log(search_cv.cv_sharpness_)
    _, centres, ends = bars(display.axes_[2])
    np.testing.assert_allclose(np.log(centres), logs.mean(axis=1))
    error = logs.std(axis=1, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(np.log(ends[1]) - np.log(centres), error)
    np.testing.assert_allclose(np.log(centres) - np.log(ends[0]), error)


def test_paired_errors_leave_out_what_a_fold_does_to_all():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 5))
    mus, folds = np.array([0.0, 0.1, 0.2, 0.4]), 100 * rng.normal(size=5)
    with_folds = bars(MuPathDisplay(mus, noise + folds).plot().ax_)[2]
    without = bars(MuPathDisplay(mus, noise).plot().ax_)[2]
    np.testing.assert_allclose(np.diff(with_folds, axis=0), np.diff(without, axis=0), rtol=1e-9)
    # Without an effect of folds both are estimates of one error.
    many = rng.normal(size=(4, 20_000))
    plain = bars(MuPathDisplay(mus, many).plot(paired=False).ax_)[2]
    paired = bars(MuPathDisplay(mus, many).plot(paired=True).ax_)[2]
    np.testing.assert_allclose(np.diff(paired, axis=0), np.diff(plain, axis=0), rtol=0.02)


def test_zero_stands_left_of_the_others_on_a_logarithmic_axis(search_cv):
    ax = MuPathDisplay.from_estimator(search_cv).axes_[-1]
    at, _, _ = bars(ax)
    assert ax.get_xscale() == "log"
    assert np.array_equal(at[1:], [0.1, 1.0])
    assert 0 < at[0] < 0.1
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0.1", "1"]
    low, high = ax.get_xlim()
    assert low < at[0]
    assert high > at[-1]


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("mus", "best", "remedy"),
    [
        ([0.0, 0.1, 1.0], 1.0, ", the largest tried: try larger ones"),
        ([0.1, 1.0], 0.1, ", the smallest tried: try smaller ones, and 0"),
        ([0.0, 0.1, 1.0], 0.1, ""),
        ([0.0, 0.1], 0.0, ""),  # there is nothing below
        ([0.1], 0.1, ""),
    ],
)
def test_a_best_mu_at_the_edge_of_those_tried_says_so(mus, best, remedy):
    display = MuPathDisplay(np.array(mus), np.zeros((len(mus), 2)), best_mu=best).plot()
    assert legend_of(display.ax_)[1] == f"best: mu = {best:g}{remedy}"
    assert_readable(display.figure_)


@pytest.mark.parametrize(
    ("n_folds", "paired", "meaning"),
    [
        (3, True, "mean over 3 folds; bars: one standard error, paired by fold"),
        (3, False, "mean over 3 folds; bars: one standard error"),
        (1, True, "one fold"),
    ],
)
def test_the_legend_of_a_path_says_what_error_bars_are(n_folds, paired, meaning):
    display = MuPathDisplay(np.array([0.0, 0.1]), np.zeros((2, n_folds))).plot(paired=paired)
    assert legend_of(display.ax_) == [meaning]


def test_best_mu_is_marked(search_cv):
    display = MuPathDisplay.from_estimator(search_cv)
    assert any(text.startswith(f"best: mu = {search_cv.mu_:g}") for text in legend_of(display.ax_))
    marks = [line for line in display.ax_.lines if line.get_linestyle() == ":"]
    at, _, _ = bars(display.ax_)
    assert [line.get_xdata()[0] for line in marks] == [at[search_cv.mus_ == search_cv.mu_][0]]


def test_a_search_shows_what_the_estimator_with_cross_validation_does(X, search_cv):
    def scoring(model, X, y=None):
        return {"likelihood": model.score(X), "sharpness": model.sharpness(X)}

    grid = {"density__mu": [1, 0, 0.1], "density__n_latents": [2, 3]}
    pipeline = make_pipeline(FunctionTransformer(), density())
    pipeline.steps[-1] = ("density", pipeline[-1])
    search = GridSearchCV(
        pipeline,
        grid,
        scoring=lambda model, X, y=None: scoring(model[-1], X),
        refit="likelihood",
        cv=3,
        return_train_score=True,
    ).fit(X)
    best = search.best_params_
    display = MuPathDisplay.from_search(search)
    assert np.array_equal(display.mus, [0, 0.1, 1])
    assert display.best_mu == best["density__mu"]
    template = density(n_latents=best["density__n_latents"])
    folds = SharpPCDensityCV(template, mus=[0, 0.1, 1], cv=3, refit=False).fit(X)
    np.testing.assert_allclose(display.scores, folds.cv_log_likelihoods_)
    np.testing.assert_allclose(display.overfitting, folds.cv_overfitting_)
    np.testing.assert_allclose(display.sharpness, folds.cv_sharpness_)
    assert len(MuPathDisplay.from_estimator(folds).axes_) == 3  # not refitted, but enough


def test_a_path_of_a_search_over_more_is_drawn_at_the_best_of_the_others(X):
    grid = {"mu": [0.1, 0], "n_latents": [1, 2]}
    search = SharpPCDensityCV(density(), param_grid=grid, cv=2).fit(X)
    display = MuPathDisplay.from_estimator(search)
    rows = [
        i
        for i, p in enumerate(search.params_)
        if p["n_latents"] == search.best_params_["n_latents"]
    ]
    np.testing.assert_array_equal(display.scores, search.cv_log_likelihoods_[rows[::-1]])
    np.testing.assert_array_equal(display.sharpness, search.cv_sharpness_[rows[::-1]])
    np.testing.assert_array_equal(display.overfitting, search.cv_overfitting_[rows[::-1]])


def test_a_plain_search_has_one_panel(X):
    search = GridSearchCV(density(), {"mu": [0, 0.1]}, cv=2).fit(X)
    display = MuPathDisplay.from_search(search)
    assert len(display.axes_) == 1
    assert_readable(display.figure_)
    with pytest.raises(ValueError, match=r"metric must be one of \['score'\]"):
        MuPathDisplay.from_search(search, metric="accuracy")
    with pytest.raises(ValueError, match="pass the name of mu"):
        MuPathDisplay.from_search(GridSearchCV(density(), {"tol": [1, 2]}, cv=2).fit(X))
    with pytest.raises(ValueError, match=r"tried mu=None.*Leave it out"):
        MuPathDisplay.from_search(GridSearchCV(density(), {"mu": [None, 0.1]}, cv=2).fit(X))
    with pytest.raises(NotFittedError, match="needs a fitted search"):
        MuPathDisplay.from_search(GridSearchCV(density(), {"mu": [0]}))


@pytest.mark.parametrize("mus", [[0.0], [0.5], np.r_[0, np.logspace(-4, 1, 40)]])
def test_few_or_many_mus_are_readable(mus):
    scores = np.random.default_rng(0).normal(size=(len(mus), 3))
    assert_readable(MuPathDisplay(np.array(mus), scores, best_mu=mus[0]).plot().figure_)


# LossLandscapeDisplay


def independent_surface(model, X, steps, seed):
    """Rises by moving the circuit's arrays by hand."""
    from dataclasses import replace

    from skpc._passes.likelihood import log_likelihood

    circuit, rng = model.circuit_, np.random.RandomState(seed)

    def direction():
        parts = []
        for weights in circuit.root_weights[None], circuit.sum_weights:
            signs = rng.choice([-1.0, 1.0], size=weights.shape)
            mean = (weights * signs).sum(axis=-1)[..., None]
            parts.append(weights * (signs - mean))
        return parts

    first, second = direction(), direction()
    inner = (circuit.parents >= 0)[:, None, None]

    def loss(s, t):
        root = circuit.root_weights + s * first[0][0] + t * second[0][0]
        sums = circuit.sum_weights + np.where(inner, s * first[1] + t * second[1], 0.0)
        np.testing.assert_allclose(sums.sum(axis=-1), 1.0)
        assert (sums[circuit.parents >= 0] > 0).all()
        moved = replace(circuit, root_weights=root, sum_weights=sums)
        return -log_likelihood(moved, X.astype(float)).mean()

    return np.array([[loss(s, t) for s in steps] for t in steps]) - loss(0.0, 0.0)


def test_surface_is_the_loss_of_normalised_circuits(fitted, X):
    display = LossLandscapeDisplay.from_estimator(fitted, X, n_steps=4, random_state=3)
    expected = independent_surface(fitted, X, np.linspace(-0.24, 0.24, 4), 3)
    np.testing.assert_allclose(display.rises[0], expected, atol=1e-12)
    line = LossLandscapeDisplay.from_estimator(
        fitted, X, n_steps=5, n_directions=1, largest_step=0.2, random_state=3
    )
    on_axis = independent_surface(fitted, X, np.linspace(-0.2, 0.2, 5), 3)[2]
    np.testing.assert_allclose(line.ax_.lines[0].get_ydata(), on_axis, atol=1e-12)
    assert np.array_equal(line.ax_.lines[0].get_xdata(), line.steps)


@pytest.mark.parametrize("parameters", [{}, {"n_components": 2}, {"n_latents": 4}])
def test_eigenvalues_are_those_of_the_hessian_on_the_simplex(parameters, X):
    """By a basis of the directions that keep sums at one, on both sides of the dense limit."""
    model = density(**parameters).fit(X)
    circuit = model.circuit_
    n_latents, n_roots = circuit.n_latents, len(circuit.roots)
    n_rows = (circuit.n_regions - n_roots) * n_latents
    sums = np.zeros((1 + n_rows, n_roots * n_latents + n_rows * n_latents))
    sums[0, : n_roots * n_latents] = 1
    for row in range(n_rows):
        first = n_roots * n_latents + row * n_latents
        sums[1 + row, first : first + n_latents] = 1
    basis = null_space(sums)
    expected = np.linalg.eigvalsh(basis.T @ hessian(circuit, X.astype(float)) @ basis)[::-1]
    display = LossLandscapeDisplay.from_estimator(model, X, n_steps=2, n_eigenvalues=4)
    np.testing.assert_allclose(display.eigenvalues[0], expected[:4], rtol=1e-3)
    assert np.array_equal(display.axes_[-1].lines[0].get_ydata(), display.eigenvalues[0])


def test_landscapes_share_levels_and_say_how_sharp_each_is(fitted, X):
    models = {"one": fitted, "another": density(mu=2.0).fit(X)}
    display = LossLandscapeDisplay.from_estimators(models, X, n_steps=5, n_eigenvalues=3)
    assert len(display.axes_) == 3
    left, right = (ax.collections[0] for ax in display.axes_[:2])
    assert left.get_clim() == right.get_clim()
    np.testing.assert_allclose(display.sharpness, [m.sharpness(X) for m in models.values()])
    for ax, name, sharpness in zip(display.axes_, models, display.sharpness, strict=False):
        title, trace = ax.get_title().split("\nmean trace ")
        assert title == name
        np.testing.assert_allclose(float(trace.replace(",", "")), sharpness, rtol=5e-3)
    assert_readable(display.figure_)
    lines = LossLandscapeDisplay.from_estimators(models, X, n_steps=5, n_directions=1)
    assert [line.get_label() for line in lines.ax_.lines] == ["one", "another"]
    assert_readable(lines.figure_)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_directions": 3}, "n_directions must be 1 or 2"),
        ({"largest_step": 0.3}, "between 0 and 0.25"),
        ({"largest_step": 0.6, "n_directions": 1}, "between 0 and 0.5"),
    ],
)
def test_landscape_refuses_what_leaves_the_simplex(kwargs, message, fitted, X):
    with pytest.raises(ValueError, match=message):
        LossLandscapeDisplay.from_estimator(fitted, X, **kwargs)


def test_a_single_latent_state_has_a_flat_landscape(X):
    display = LossLandscapeDisplay.from_estimator(density(n_latents=1).fit(X), X, n_steps=3)
    assert np.array_equal(display.rises, np.zeros((1, 3, 3)))


# StructureDisplay


def test_tree_has_the_edges_widths_and_names_of_the_model(X):
    frame = pandas.DataFrame(X, columns=[f"name {j}" for j in range(9)])
    model = density().fit(frame)
    display = StructureDisplay.from_estimator(model, frame)
    circuit = model.circuit_
    (edges,) = (c for c in display.ax_.collections if hasattr(c, "get_segments"))
    below = np.flatnonzero(circuit.parents >= 0)
    ends = np.stack([display.positions_[below], display.positions_[circuit.parents[below]]], 1)
    np.testing.assert_allclose(np.array(edges.get_segments()), ends)
    information = model.mutual_information()
    columns = np.concatenate(circuit.features)
    expected = information[columns[below], columns[circuit.parents[below]]]
    widths = np.array(edges.get_linewidths())
    np.testing.assert_allclose((widths - 0.5) / 4.5, expected / expected.max())
    for region, text in enumerate(display.texts_):
        assert text.get_text() == f"name {circuit.features[region][0]}"
        assert text.get_position() == tuple(display.positions_[region])


def test_nodes_have_the_colours_of_their_mean_local_curvature(fitted, X):
    display = StructureDisplay.from_estimator(fitted, X)
    circuit = fitted.circuit_
    expected = node_curvature(circuit, X.astype(float)).local.mean(axis=1)
    expected[circuit.roots] *= circuit.n_latents  # the other entries there are zero, and no nodes
    np.testing.assert_allclose(display.curvature, expected)
    norm = mpl.colors.LogNorm(expected.min(), expected.max())
    colours = mpl.colormaps["viridis"](norm(expected))
    drawn = [text.get_bbox_patch().get_facecolor() for text in display.texts_]
    np.testing.assert_allclose(drawn, colours, atol=1e-6)
    white = StructureDisplay.from_estimator(fitted)
    assert {text.get_bbox_patch().get_facecolor() for text in white.texts_} == {(1, 1, 1, 1)}


def pills_apart(display):
    display.figure_.canvas.draw()
    boxes = [text.get_bbox_patch().get_window_extent() for text in display.texts_]
    inside = display.ax_.get_window_extent().padded(2)
    for a in boxes:
        assert inside.x0 < a.x0 < a.x1 < inside.x1
        assert inside.y0 < a.y0 < a.y1 < inside.y1
    return not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize("shape", ["random", "chain", "star", "caterpillar"])
@pytest.mark.parametrize("n_regions", [1, 2, 64, pytest.param(111, marks=pytest.mark.slow)])
def test_labels_of_large_trees_do_not_overlap(shape, n_regions):
    rng = np.random.default_rng(1)
    below = np.arange(1, n_regions)
    parents = {
        "random": lambda: np.array([rng.integers(max(i - 6, 0), i) for i in below], int),
        "chain": lambda: below - 1,
        "star": lambda: np.zeros_like(below),
        "caterpillar": lambda: np.maximum(below - 2 + below % 2, 0),
    }[shape]()
    parents = np.append(-1, parents)
    information = np.append(np.nan, rng.random(n_regions - 1))
    display = StructureDisplay(parents, [[f"x{i}"] for i in range(n_regions)], information).plot()
    assert len(display.texts_) == n_regions
    assert pills_apart(display)
    assert min(text.get_fontsize() for text in display.texts_) >= 5


def test_long_names_are_shortened_and_do_not_overlap(X):
    frame = pandas.DataFrame(X, columns=[f"a rather long name of column {j}" for j in range(9)])
    display = StructureDisplay.from_estimator(density().fit(frame), frame)
    texts = [text.get_text() for text in display.texts_]
    assert all("…" in text and len(text) <= 18 for text in texts)
    assert len(set(texts)) == 9  # ends are kept
    assert pills_apart(display)


@pytest.mark.parametrize(
    "parameters", [{"n_components": 3}, {"structure": "rat", "n_components": 3}]
)
def test_several_trees_are_drawn_side_by_side_or_one_alone(parameters, X):
    model = density(**parameters).fit(X)
    display = StructureDisplay.from_estimator(model, X)
    assert len(display.texts_) == 3 * 9
    assert pills_apart(display)
    for tree in range(3):
        one = StructureDisplay.from_estimator(model, X, tree=tree)
        assert {text.get_text() for text in one.texts_} == {f"x{j}" for j in range(9)}
        frame = model.structure_frame()
        assert (one.parents >= 0).sum() == (frame["tree"] == tree).sum()
        assert depths_of(one.parents).max() < len(one.parents)
    with pytest.raises(ValueError, match="tree must be"):
        StructureDisplay.from_estimator(model, tree=3)


def grouped(**parameters):
    """A table of two groups of numbers that depend on each other, and a flag."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(120, 1, 2)) + 0.1 * rng.normal(size=(120, 4, 2))
    frame = pandas.DataFrame(
        np.hstack([base[..., 0], base[..., 1]]), columns=[f"length {j}" for j in range(8)]
    ).assign(flag=rng.random(120) < 0.5)
    groups = [[f"length {j}" for j in range(4)], [f"length {j}" for j in range(4, 8)]]
    return density(feature_groups=groups, **parameters).fit(frame), frame


def test_a_group_shows_the_names_of_all_its_members():
    model, _ = grouped()
    display = StructureDisplay.from_estimator(model)
    shown = {text.get_text().replace("\n", " ") for text in display.texts_}
    expected = {", ".join(f"length {j}" for j in part) for part in (range(4), range(4, 8))}
    assert shown == expected | {"flag"}
    assert display.titles_ == []
    assert pills_apart(display)
    assert_readable(display.figure_)


def test_a_group_without_room_is_called_after_its_first_member():
    model, _ = grouped()
    ax = Figure(figsize=(2.2, 0.8)).subplots()
    display = StructureDisplay.from_estimator(model, ax=ax)
    assert {text.get_text() for text in display.texts_} == {"length 0 +3", "length 4 +3", "flag"}


@pytest.mark.parametrize("n_columns", [2, 30, 90])
def test_one_box_is_explained(n_columns):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1)) + 0.5 * rng.normal(size=(60, n_columns))
    model = density(feature_groups=[range(n_columns)], n_latents=1, max_iter=1).fit(X)
    display = StructureDisplay.from_estimator(model)
    (title,) = display.titles_
    assert title.get_text().startswith(f"all {n_columns} columns are one group: in each state")
    (text,) = display.texts_
    names = text.get_text().replace("\n", " ").split(", ")
    assert names[:60] == [f"x{j}" for j in range(min(n_columns, 60))]
    assert names[60:] == (["30 more"] if n_columns == 90 else [])
    assert_readable(display.figure_)
    alone = StructureDisplay.from_estimator(density(n_latents=1).fit(X[:, :1]))
    assert alone.titles_ == []


def test_trees_of_a_mixture_stand_apart_under_their_weights(X):
    model = density(n_components=3).fit(X)
    display = StructureDisplay.from_estimator(model)
    assert_readable(display.figure_)
    weights = model.circuit_.root_weights.reshape(3, -1).sum(axis=1)
    titles = [text.get_text() for text in display.titles_]
    assert titles == [f"tree {t}: weight {weight:.2g}" for t, weight in enumerate(weights)]
    trees = tree_of_region(display.parents)
    boxes = []
    for t in range(3):
        pills = [display.texts_[i].get_bbox_patch() for i in np.flatnonzero(trees == t)]
        box = mpl.transforms.Bbox.union([pill.get_window_extent() for pill in pills])
        title = display.titles_[t].get_window_extent()
        assert title.y0 > box.y1
        assert box.x0 < (title.x0 + title.x1) / 2 < box.x1
        boxes.append(mpl.transforms.Bbox.union([box, title]))
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    one = StructureDisplay.from_estimator(model, tree=1)
    assert [text.get_text() for text in one.titles_] == titles[1:2]


def test_labels_without_room_become_dots(fitted):
    figure = Figure(figsize=(1.2, 1.2))
    names = [[f"a long name {i}"] for i in range(40)]
    parents, information = np.arange(-1, 39), np.append(np.nan, np.ones(39))
    display = StructureDisplay(parents, names, information).plot(figure.subplots())
    assert display.texts_ == []
    dots = [c for c in display.ax_.collections if not hasattr(c, "get_segments")]
    assert sum(len(c.get_offsets()) for c in dots) == 40


def test_nodes_of_a_chain_are_laid_out_in_its_order():
    at = tree_positions(np.arange(-1, 19), (100.0, 50.0))[:, 0]
    assert (np.diff(at) > 0).all() or (np.diff(at) < 0).all()


def test_pushing_gives_up_where_there_is_no_room():
    points, box = np.full((10, 2), 5.0), (10.0, 10.0)
    assert pushed_apart(points, np.full((10, 2), 3.0), box) is None
    moved = pushed_apart(points, np.full((10, 2), 1.0), box)
    gaps = np.abs(moved[:, None] - moved).max(axis=2)
    assert (gaps[~np.eye(10, dtype=bool)] >= 1.0).all()


# CurvatureDisplay


@pytest.mark.parametrize("parameters", [{}, {"n_components": 2}])
def test_cells_are_the_sorted_curvature_of_nodes(parameters, X):
    model = density(**parameters).fit(X)
    display = CurvatureDisplay.from_estimator(model, X)
    parts = node_curvature(model.circuit_, X.astype(float))
    by_name = {}
    for region, columns in enumerate(model.circuit_.features):
        tree = f", tree {region // 9}" if parameters else ""
        by_name[f"x{columns[0]}{tree}"] = region
    shown = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    regions = np.array([by_name[name] for name in shown])
    totals = parts.global_[regions].sum(axis=1)
    assert (np.diff(totals) <= 0).all()
    np.testing.assert_allclose(totals.sum(), model.sharpness(X))
    meshes = [ax.collections[0].get_array() for ax in display.axes_]
    assert all(mesh.shape == (len(shown), 3) for mesh in meshes)
    for row, region in enumerate(regions):
        if model.circuit_.parents[region] < 0:
            assert meshes[0][row, 1:].mask.all()
            assert meshes[2][row, 0] == parts.global_[region, 0]
            continue
        order = np.argsort(-parts.usage[region])
        for mesh, part in zip(meshes, parts, strict=True):
            np.testing.assert_allclose(mesh[row], part[region, order])
    assert_readable(display.figure_)


def test_only_the_sharpest_regions_are_shown(fitted, X):
    display = CurvatureDisplay.from_estimator(fitted, X, n_regions=4)
    assert "4 sharpest of 9" in display.ax_.get_xlabel()
    all_names = CurvatureDisplay.from_estimator(fitted, X).ax_.get_yticklabels()
    names = display.ax_.get_yticklabels()
    assert [a.get_text() for a in names] == [a.get_text() for a in all_names[:4]]
    assert_readable(display.figure_)


# ContributionsDisplay


def test_bars_are_the_largest_contributions_of_a_row(fitted, X):
    row = X[:1].astype(float)
    row[0, 2] = np.nan
    display = ContributionsDisplay.from_estimator(fitted, row, max_features=5)
    (expected,) = fitted.feature_contributions(row)
    order = np.argsort(-expected)[:5]
    widths = [bar.get_width() for bar in display.ax_.patches]
    np.testing.assert_allclose(widths, expected[order])
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == [f"x{j} = missing" if j == 2 else f"x{j} = {row[0, j]:g}" for j in order]
    assert display.ax_.yaxis_inverted()  # the largest is at the top
    assert "5 largest of 9" in display.ax_.get_title()
    assert_readable(display.figure_)
    every = ContributionsDisplay.from_estimator(fitted, row)
    assert "x2 = missing" in [label.get_text() for label in every.ax_.get_yticklabels()]


def test_one_huge_contribution_leaves_colours_to_the_others():
    contributions = np.random.default_rng(0).normal(size=(10, 6))
    usual = 5.0 * np.quantile(np.abs(contributions), 0.9)
    display = ContributionsDisplay(contributions, "abcdef").plot()
    (mesh,) = display.ax_.collections
    np.testing.assert_allclose(mesh.get_clim(), np.array([-1, 1]) * np.abs(contributions).max())
    assert mesh.colorbar.extend == "neither"
    contributions[3, 2] = 5e6
    display = ContributionsDisplay(contributions, "abcdef").plot()
    (mesh,) = display.ax_.collections
    np.testing.assert_allclose(mesh.get_clim(), [-usual, usual], rtol=0.1)
    assert mesh.colorbar.extend == "max"


def test_rows_are_called_as_in_the_frame(fitted, X):
    frame = pandas.DataFrame(X[:3], index=["W9", "W25", "W28"])
    frame.columns = [f"x{j}" for j in range(9)]
    model = SharpPCDensity(n_latents=2, random_state=0).fit(
        pandas.DataFrame(X, columns=frame.columns)
    )
    display = ContributionsDisplay.from_estimator(model, frame)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == [*frame.index]
    display = ContributionsDisplay.from_estimator(model, frame, row_names="abc")
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == [*"abc"]


def test_the_excess_is_drawn_and_of_a_detector_its_own(X):
    model = SharpPCOutlierDetector(2, n_components=2, random_state=0).fit(X)
    expected = model.feature_contributions(X[:3])
    one = ContributionsDisplay.from_estimator(model, X[:1])
    widths = sorted(bar.get_width() for bar in one.ax_.patches)
    np.testing.assert_allclose(widths, np.sort(expected[0]))
    assert one.ax_.get_xlabel() == "excess surprise given the other values, nats"
    several = ContributionsDisplay.from_estimator(model, X[:3], groups={"all": range(9)})
    np.testing.assert_allclose(
        several.ax_.collections[0].get_array().ravel(),
        model.feature_contributions(X[:3], {"all": range(9)}).ravel(),
    )
    labels = [axes.get_ylabel() for axes in several.figure_.axes]
    assert "excess surprise, nats\n(0 is usual)" in labels
    of_mixture = ContributionsDisplay.from_estimator(model.estimator_, X[:1])
    np.testing.assert_array_equal(
        of_mixture.contributions, model.estimator_.feature_contributions(X[:1])
    )
    raw = ContributionsDisplay(X[:1] + 0.5, "abcdefghi", quantity="surprise").plot()
    assert raw.ax_.get_xlabel() == "surprise given the other values, nats"
    for display in one, several:
        assert_readable(display.figure_)


def test_bars_of_a_frame_name_labels_and_may_be_negative():
    rng = np.random.default_rng(0)
    code = rng.integers(0, 2, 80)
    frame = pandas.DataFrame(
        {
            "kind": pandas.Categorical.from_codes(code, ["round", "square"]),
            "size in metres": code + 1e-3 * rng.normal(size=80),
        }
    )
    model = density(feature_groups=None).fit(frame)
    display = ContributionsDisplay.from_estimator(model, frame[:1])
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels[0] == f"kind = {frame['kind'][0]}"
    assert labels[1] == f"size in metres = {frame['size in metres'][0]:.4g}"
    assert display.ax_.patches[1].get_width() < 0
    assert_readable(display.figure_)


def test_several_rows_are_a_map_in_the_order_of_the_table(fitted, X):
    names = ["first", "second", "third"]
    display = ContributionsDisplay.from_estimator(fitted, X[:3], row_names=names, max_features=4)
    expected = fitted.feature_contributions(X[:3])
    shown = np.sort(np.argsort(-expected.max(axis=0))[:4])
    np.testing.assert_allclose(display.ax_.collections[0].get_array(), expected[:, shown])
    assert [a.get_text() for a in display.ax_.get_xticklabels()] == [f"x{j}" for j in shown]
    assert [a.get_text() for a in display.ax_.get_yticklabels()] == names
    assert_readable(display.figure_)


def test_groups_are_drawn_under_their_names(fitted, X):
    groups = {"left": [0, 1, 2], "right": [6, 7, 8]}
    display = ContributionsDisplay.from_estimator(fitted, X[:1], groups=groups)
    expected = dict(zip(groups, fitted.feature_contributions(X[:1], groups)[0], strict=True))
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == sorted(groups, key=lambda name: -expected[name])


@pytest.mark.parametrize("n_rows", [1, 3, 8])
def test_pictures_are_pictures(n_rows, fitted, X):
    display = ContributionsDisplay.from_estimator(fitted, X[:n_rows], image_shape=(3, 3))
    expected = fitted.feature_contributions(X[:n_rows]).reshape(n_rows, 3, 3)
    drawn = [ax.images[0] for ax in display.axes_]
    np.testing.assert_allclose([image.get_array() for image in drawn], expected)
    top = np.abs(expected).max()
    assert {image.get_clim() for image in drawn} == {(-top, top)}
    assert_readable(display.figure_)
    with pytest.raises(ValueError, match="has 12 pixels for 9 features"):
        display.plot(image_shape=(3, 4))


def test_an_outlier_detector_can_be_explained(X):
    detector = SharpPCOutlierDetector(density()).fit(X)
    display = ContributionsDisplay.from_estimator(detector, X[:1])
    np.testing.assert_allclose(
        display.contributions, detector.feature_contributions(X[:1]), rtol=1e-12
    )


def test_path_of_rows_that_are_certain_has_a_gap_and_no_warning():
    model = SharpPCDensityCV(SharpPCDensity(2, random_state=0), mus=[0.0, 0.1], cv=3)
    display = MuPathDisplay.from_estimator(model.fit(np.zeros((3, 2))))
    display.figure_.canvas.draw()
    constant = MuPathDisplay(
        np.array([0.0, 0.1]),
        np.zeros((2, 2)),
        overfitting=np.array([[np.inf, 1.0], [0.5, np.nan]]),
        best_mu=0.1,
    ).plot()
    constant.figure_.canvas.draw()


@pytest.mark.parametrize("mus", [[0.1, 1e300], [0.0, 1e-300, 1e300], [1e-320], [0.0, 1.7e308]])
def test_penalties_of_any_strength_can_be_drawn(mus):
    display = MuPathDisplay(np.array(mus), np.zeros((len(mus), 2)), best_mu=mus[-1]).plot()
    display.figure_.canvas.draw()
    assert np.isfinite(display.ax_.get_xlim()).all()


@pytest.mark.parametrize("n_directions", [1, 2])
def test_landscape_of_weights_that_are_almost_zero(n_directions, X):
    model = density().fit(X)
    circuit = model.circuit_
    sums = circuit.sum_weights.copy()
    tiny = np.array([1.0, 1e-10, 1e-30, 1e-20])[: sums.shape[-1]]
    sums[circuit.parents >= 0] = tiny / tiny.sum()
    model.circuit_ = replace(circuit, sum_weights=sums)
    display = LossLandscapeDisplay.from_estimator(
        model, X, n_steps=5, n_directions=n_directions, n_eigenvalues=0
    )
    assert np.isfinite(display.rises).all()
