"""Margins that are written down by hand: distribution functions, cells, and the way back."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm

from skpc._data.margin_cells import cells_of_columns
from skpc._data.margins import Margin
from skpc._kernels.spline_scores import spline_scores


def make(**changes):
    parts = {
        "origin": 3.0,
        "unit": 2.0,
        "knots": np.array([-2.0, -0.5, 0.0, 1.0, 4.0]),
        "scores": np.array([-2.5, -1.0, 0.25, 0.5, 3.0]),
        "slopes": np.array([0.5, 2.0, 1.0, 0.125, 1.5]),
        "share": 1.0,
        "atoms": np.empty(0),
        "masses": np.empty(0),
        "step": 0.0,
        "digits": -1,
        "low": -np.inf,
        "high": np.inf,
        "widest": 0.0,
    }
    return Margin(**{**parts, **changes})


CONTINUOUS = make()
WITH_ATOMS = make(share=0.6, atoms=np.array([-1.0, 3.0]), masses=np.array([0.3, 0.1]))
LATTICE = make(step=0.5, digits=1)
HEAPED = make(
    step=0.5, digits=1, share=0.6, atoms=np.array([-1.0, 3.0]), masses=np.array([0.3, 0.1])
)


def log_density(margin, values):
    cells = margin.cells(np.asarray(values, float))
    assert_array_equal(cells.lower, cells.upper)
    return norm.logpdf(cells.lower) + cells.log_scale


def masses(margin, values):
    cells = margin.cells(np.asarray(values, float))
    assert_array_equal(cells.log_scale, 0.0)
    return ndtr(cells.upper) - ndtr(cells.lower)


@pytest.mark.parametrize("margin", [CONTINUOUS, WITH_ATOMS])
def test_a_density_integrates_to_the_share_of_the_smooth_part(margin):
    ends = [-1e7, -1e3, *(margin.origin + margin.unit * margin.knots), 1e3, 1e7]
    pieces = [
        quad(lambda x: np.exp(log_density(margin, [x])[0]), *pair, epsabs=1e-10, limit=200)[0]
        for ends_ in [sorted({*ends, *(margin.atoms + 1e-9)})]
        for pair in pairwise(ends_)
    ]
    assert_allclose(sum(pieces), margin.share, atol=1e-6)


@pytest.mark.parametrize("margin", [CONTINUOUS, WITH_ATOMS])
@pytest.mark.parametrize("x", [-40.0, -1.5, 0.7, 2.4, 3.3, 8.0, 11.5, 90.0])
def test_a_density_is_the_derivative_of_the_distribution_function(margin, x):
    d = 1e-5
    lower, upper = margin.cells(np.array([x - d, x + d])).lower
    assert_allclose(np.exp(log_density(margin, [x])), (ndtr(-lower) - ndtr(-upper)) / (2 * d), 1e-5)


@pytest.mark.parametrize("margin", [LATTICE, HEAPED])
def test_masses_of_all_levels_sum_to_one(margin):
    levels = 3.0 + 0.5 * np.arange(-400_000, 400_001)
    assert_allclose(masses(margin, levels).sum(), 1.0, atol=1e-12)


def test_cells_of_neighbouring_levels_touch():
    cells = HEAPED.cells(3.0 + 0.5 * np.arange(-50.0, 50.0))
    assert_array_equal(cells.upper[:-1], cells.lower[1:])


def test_a_level_has_the_mass_of_what_is_nearest_to_it():
    levels = np.array([-4.0, 0.5, 3.0, 7.5])
    cells = LATTICE.cells(levels)
    assert_allclose(cells.lower, CONTINUOUS.cells(levels - 0.25).lower, rtol=1e-12)
    assert_allclose(cells.upper, CONTINUOUS.cells(levels + 0.25).lower, rtol=1e-12)


def test_an_atom_has_its_mass():
    assert_allclose(masses(WITH_ATOMS, [-1.0, 3.0]), [0.3, 0.1], rtol=1e-12)
    smooth = masses(LATTICE, [-1.0, 3.0])
    assert_allclose(masses(HEAPED, [-1.0, 3.0]), 0.6 * smooth + [0.3, 0.1], rtol=1e-12)


def test_a_value_off_the_lattice_counts_as_the_nearest_level():
    for got, expected in zip(
        LATTICE.cells(np.array([2.6, 2.4])), LATTICE.cells(np.full(2, 2.5)), strict=True
    ):
        assert_array_equal(got, expected)


@pytest.mark.parametrize("margin", [CONTINUOUS, WITH_ATOMS, LATTICE, HEAPED])
def test_a_missing_value_may_be_anything(margin):
    cells = margin.cells(np.array([np.nan]))
    assert (cells.lower, cells.upper, cells.log_scale) == (-np.inf, np.inf, 0.0)


@pytest.mark.parametrize("margin", [CONTINUOUS, WITH_ATOMS])
def test_values_come_back_from_their_scores(margin):
    values = np.concatenate([np.linspace(-40.0, 60.0, 997), [-1e6, 1e6, -1e20, 1e20], margin.atoms])
    cells = margin.cells(values)
    assert_allclose(margin.inverse(0.5 * (cells.lower + cells.upper)), values, rtol=1e-9)


@pytest.mark.parametrize("margin", [LATTICE, HEAPED])
@pytest.mark.parametrize("place", [1e-6, 0.5, 1 - 1e-6])
def test_levels_come_back_exactly_from_all_over_their_cells(margin, place):
    values = 3.0 + 0.5 * np.arange(-200.0, 200.0)
    cells = margin.cells(values)
    assert_array_equal(margin.inverse(cells.lower + place * (cells.upper - cells.lower)), values)


def test_an_atom_comes_back_from_all_over_its_cell():
    cells = WITH_ATOMS.cells(WITH_ATOMS.atoms)
    for place in (0.0, 0.3, 1.0):
        scores = cells.lower + place * (cells.upper - cells.lower)
        assert_array_equal(WITH_ATOMS.inverse(scores), WITH_ATOMS.atoms)


@pytest.mark.parametrize("margin", [CONTINUOUS, WITH_ATOMS, LATTICE, HEAPED])
def test_the_inverse_ascends_and_draws_have_the_distribution(margin):
    scores = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    values = margin.inverse(scores)
    assert (np.diff(values) >= 0).all()
    for x in (-3.0, -1.0, 0.5, 3.0, 6.5):
        share = np.mean(values <= x)
        upper = margin.cells(np.array([x])).upper[0]
        assert_allclose(share, ndtr(upper), atol=1e-4)


def test_draws_stay_in_the_range():
    margin = make(low=-1.5, high=7.5)
    assert_array_equal(margin.inverse(np.array([-30.0, 30.0])), [-1.5, 7.5])


@pytest.mark.parametrize("margin", [CONTINUOUS, WITH_ATOMS, LATTICE, HEAPED])
def test_all_is_finite_however_far_out(margin):
    sizes = np.array([1e-300, 1.0, 1e8, 1e50, 1e150])
    cells = margin.cells(np.concatenate([-sizes, sizes]))
    for part in cells:
        assert np.isfinite(part).all()
    assert (cells.lower <= cells.upper).all()


def test_both_tails_are_as_precise():
    mirrored = make(
        origin=-3.0,
        knots=-CONTINUOUS.knots[::-1],
        scores=-CONTINUOUS.scores[::-1],
        slopes=CONTINUOUS.slopes[::-1],
        share=0.6,
        atoms=np.array([-3.0, 1.0]),
        masses=np.array([0.1, 0.3]),
    )
    x = np.array([1e3, 1e6, 1e12, 1e100])
    assert_allclose(mirrored.cells(-x).lower, -WITH_ATOMS.cells(x).lower, rtol=1e-13)
    assert_allclose(log_density(mirrored, -x), log_density(WITH_ATOMS, x), rtol=1e-12)
    assert_allclose(mirrored.cells(x).lower, -WITH_ATOMS.cells(-x).lower, rtol=1e-13)


def test_points_have_nearly_the_mass_of_their_cells():
    fine = make(step=0.01, digits=2)
    values = np.array([-1.0, 0.5, 2.5, 3.01, 8.0])
    scores, log_scale = fine.points(values)
    assert_allclose(norm.logpdf(scores) + log_scale, np.log(masses(fine, values)), rtol=1e-3)
    scores, log_scale = CONTINUOUS.points(np.array([0.7, np.nan]))
    cells = CONTINUOUS.cells(np.array([0.7]))
    assert_array_equal(scores, [cells.lower[0], np.nan])
    assert_array_equal(log_scale, [cells.log_scale[0], 0.0])


def test_wide_cells_are_no_points():
    assert make(widest=0.01).is_point()
    assert not make(widest=0.2).is_point()


def test_arrays_give_the_margin_back():
    arrays = HEAPED.to_arrays()
    assert all(isinstance(value, np.ndarray) for value in arrays.values())
    again = Margin.from_arrays(arrays)
    for name, value in arrays.items():
        assert_array_equal(getattr(again, name), value)
    assert isinstance(again.digits, int)
    assert isinstance(again.step, float)


CHANGES = {
    "knots": lambda v: v[::-1],
    "scores": lambda v: v[:-1],
    "slopes": lambda v: -v,
    "share": lambda v: v / 2,
    "atoms": lambda v: np.append(v, 1e9),
    "masses": lambda v: v * np.nan,
    "unit": lambda v: 0.0,
    "step": lambda v: -1.0,
    "low": lambda v: np.nan,
    "digits": lambda v: None,
    "origin": lambda v: np.array([1.0, 2.0]),
    "widest": lambda v: np.inf,
}


@pytest.mark.parametrize("name", CHANGES)
def test_arrays_that_are_no_margin_are_refused(name):
    arrays = make(share=0.75, atoms=np.array([0.0]), masses=np.array([0.25])).to_arrays()
    Margin.from_arrays(arrays)
    with pytest.raises(ValueError, match="margin"):
        Margin.from_arrays({**arrays, name: CHANGES[name](arrays[name])})
    with pytest.raises(ValueError, match=f"margin has no {name}"):
        Margin.from_arrays({key: value for key, value in arrays.items() if key != name})


def test_cells_of_all_columns_at_once_are_those_of_each():
    values = np.array([np.nan, -1e6, -40.0, -1.0, 2.5, 3.0, 11.0, 1e9])
    margins = [CONTINUOUS, WITH_ATOMS, make(origin=0.5, unit=8.0), LATTICE, CONTINUOUS]
    columns = [values, values[2:], values[::-1], values, np.empty(0)]
    for chosen in ([0, 2], [0, 1, 2, 3, 4], [4]):
        found = cells_of_columns([margins[i] for i in chosen], [columns[i] for i in chosen])
        expected = [margins[i].cells(columns[i]) for i in chosen]
        for part, parts in zip(found, zip(*expected, strict=True), strict=True):
            assert_array_equal(part, np.concatenate(parts))


def test_splines_end_to_end_are_rational_quadratics():
    units = np.linspace(-3.0, 5.0, 41)
    other = make(knots=CONTINUOUS.knots * 0.5, scores=CONTINUOUS.scores - 1.0)
    table = np.hstack([[m.knots, m.scores, m.slopes] for m in (CONTINUOUS, other)])
    scores, log_slopes = np.empty((2, 2 * len(units)))
    ends = np.array([len(units), 2 * len(units)])
    spline_scores(np.tile(units, 2), ends, table, np.array([5, 10]), scores, log_slopes)
    for place, one in enumerate((CONTINUOUS, other)):
        own = slice(place * len(units), (place + 1) * len(units))
        x = np.clip(units, one.knots[0], one.knots[-1])
        i = np.clip(np.searchsorted(one.knots, x, "right") - 1, 0, 3)
        width, height = np.diff(one.knots)[i], np.diff(one.scores)[i]
        u, s = (x - one.knots[i]) / width, height / width
        d, e = one.slopes[i], one.slopes[i + 1]
        bottom = s + (d + e - 2 * s) * u * (1 - u)
        rise = height * (s * u**2 + d * u * (1 - u)) / bottom
        slope = s**2 * (e * u**2 + 2 * s * u * (1 - u) + d * (1 - u) ** 2) / bottom**2
        assert_allclose(scores[own], one.scores[i] + rise, rtol=1e-12, atol=1e-14)
        assert_allclose(log_slopes[own], np.log(slope), rtol=1e-11, atol=1e-13)
