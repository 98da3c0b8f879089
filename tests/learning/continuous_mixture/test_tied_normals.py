"""Normal distributions of points and cells, against SciPy and finite differences."""

from dataclasses import replace

import numpy as np
import pytest
from mixtures import slope
from numpy.testing import assert_allclose
from scipy.stats import norm

from skpc._learning.continuous_mixture.tied_normals import TiedNormals
from skpc._tables.columns import Columns

pytestmark = pytest.mark.usefixtures("one_thread")

N_POINTS = 4


def draw(n_rows=400):
    """A continuous column, a coarse lattice, one with an atom, a fine lattice, and three levels."""
    rng = np.random.default_rng(0)
    spiked = np.where(rng.random(n_rows) < 0.4, 0.0, rng.standard_normal(n_rows))
    return np.column_stack(
        [
            rng.standard_normal(n_rows),
            np.round(1.2 * rng.standard_normal(n_rows)),
            spiked,
            np.round(3000.0 * rng.standard_normal(n_rows)),
            rng.choice([0.0, 1.0, 2.0], n_rows, p=[0.3, 0.5, 0.2]),
        ]
    )


TABLE = draw()
FAR = 30.0

N_COLUMNS = TABLE.shape[1]

each_column = pytest.mark.parametrize("column", range(N_COLUMNS))


@pytest.fixture(scope="module")
def margins():
    """Of the last one the first and the last cell reach as far as can be: it is all atoms."""
    columns = Columns.learn(TABLE, ["numeric"] * N_COLUMNS).columns
    *others, last = (column.margin for column in columns)
    return [*others, replace(last, share=1e-300, masses=last.masses / last.masses.sum())]


@pytest.fixture
def normals(margins):
    return TiedNormals(margins)


@pytest.fixture
def values():
    """Distinct values of each column, the last one missing."""
    distinct = [np.unique(column) for column in TABLE.T]
    return [np.append(own[:: 1 + len(own) // 12], np.nan) for own in distinct]


@pytest.fixture
def outputs():
    return np.random.default_rng(1).uniform(-1.0, 0.8, (N_POINTS, 2 * N_COLUMNS))


def log_tables_of(normals, shown, outputs):
    out = np.empty((len(outputs), normals.n_features(shown)))
    normals.log_tables(shown, outputs, out)
    return out


def shown_of(normals, values, is_opened):
    """What values show; cells that reach far may be opened."""
    shown = normals.shown(values)
    lower, upper = (
        np.where(np.abs(part) > FAR, np.inf * np.sign(part), part) for part in shown.cells[:2]
    )
    if not is_opened:
        return shown
    assert np.isinf(lower).any()
    assert np.isinf(upper).any()
    return shown._replace(cells=shown.cells._replace(lower=lower, upper=upper))


def features_of(normals, shown, symbols):
    """Features, and what densities gain, of rows that show these values."""
    out = np.zeros((symbols.shape[1], normals.n_features(shown)))
    return out, normals.fill(shown, symbols, out)


def shows_only(column, values):
    """Symbols of rows that show all values of a column, and nothing else."""
    symbols = np.tile([[len(own) - 1] for own in values], len(values[column]))
    symbols[column] = np.arange(len(values[column]))
    return symbols


@pytest.mark.parametrize("is_opened", [False, True])
@each_column
def test_log_likelihoods_are_those_of_cells_and_points(
    normals, margins, values, outputs, column, is_opened
):
    shown = shown_of(normals, values, is_opened)
    features, gained = features_of(normals, shown, shows_only(column, values))
    found = features @ log_tables_of(normals, shown, outputs).T + gained[:, None]
    cells = margins[column].cells(values[column])
    means, deviations = outputs[:, column], np.exp(outputs[:, N_COLUMNS + column])
    is_point = cells.lower == cells.upper
    assert is_point.any() == (column in (0, 2))
    assert (cells.lower[0] < -FAR) == (column == 4)
    for place, (lower, upper, log_scale) in enumerate(zip(*cells, strict=True)):
        if is_point[place]:
            expected = norm.logpdf(lower, means, deviations) + log_scale
        else:
            expected = np.log(
                norm.cdf(upper, means, deviations) - norm.cdf(lower, means, deviations)
            )
        # Scores of points are float32; a narrow cell counts as its middle times its width.
        atol = 1e-3 if column == 3 else 2e-5
        assert_allclose(found[place], expected, rtol=1e-6, atol=atol)
    assert_allclose(found[-1], 0.0, atol=1e-12)  # nothing shown


def test_a_missing_value_has_no_feature(normals, values):
    shown = normals.shown(values)
    features, gained = features_of(normals, shown, np.array([[len(own) - 1] for own in values]))
    assert not features.any()
    assert gained == 0.0


@pytest.mark.parametrize("is_opened", [False, True])
@each_column
def test_gradient(normals, values, outputs, column, is_opened):
    shown = shown_of(normals, values, is_opened)
    features, _ = features_of(normals, shown, shows_only(column, values))
    shares = np.random.default_rng(2).gamma(1.0, size=(N_POINTS, len(features)))
    counts = shares @ features
    found = np.empty_like(outputs)
    normals.of_outputs(shown, outputs, counts, found)

    def value(changed):
        return float((counts * log_tables_of(normals, shown, changed[0])).sum())

    for entry in np.ndindex(outputs.shape):
        direction = np.zeros_like(outputs)
        direction[entry] = 1.0
        expected = slope(value, [outputs], [direction])
        # The kernel's masses of cells are good to a few digits less than float64.
        assert_allclose(found[entry], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("log", "bound"), [(-9.0, 0.05), (9.0, 3.0)])
def test_deviations_are_bounded_and_return_from_there(normals, values, outputs, log, bound):
    outputs[:, N_COLUMNS:] = log
    assert_allclose(normals.parameters(outputs)[1], bound)
    shown = normals.shown(values)
    for score, is_outwards in ((0.0, log < 0), (4.0, log > 0)):
        outputs[:, :N_COLUMNS] = 0.0
        counts = np.zeros((N_POINTS, normals.n_features(shown)))
        for place in range(N_COLUMNS):
            counts[:, [place, N_COLUMNS + place, 2 * N_COLUMNS + place]] = score**2, score, 1
        found = np.empty_like(outputs)
        normals.of_outputs(shown, outputs, counts, found)
        of_logs = found[:, N_COLUMNS:]
        assert (of_logs == 0.0).all() if is_outwards else (np.sign(of_logs) == -np.sign(log)).all()
