"""Margins that are learnt."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm

from skpc._data.column_sets import Interval
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, NUMERIC, Scope
from skpc._tables.margins import find_decimals, find_lattice, learn_margin, with_own_margins


def learn(values, weights=None):
    values = np.asarray(values, float)
    distinct, number = np.unique(values, return_inverse=True)
    weights = np.ones(len(values)) if weights is None else weights
    return learn_margin(distinct, np.bincount(number, weights))


def scores(margin, values):
    cells = margin.cells(np.asarray(values, float))
    is_point = cells.lower == cells.upper
    mass = np.where(
        cells.lower > 0,
        ndtr(-cells.lower) - ndtr(-cells.upper),
        ndtr(cells.upper) - ndtr(cells.lower),
    )
    log_mass = np.log(np.where(is_point, 1.0, mass))
    return np.where(is_point, norm.logpdf(cells.lower), log_mass) + cells.log_scale


def assert_same(first, second):
    for name, value in first.to_arrays().items():
        assert_array_equal(value, second.to_arrays()[name], err_msg=name)


RANDOM = np.random.default_rng(0)
COLUMNS = {
    "normal": RANDOM.normal(size=60),
    "lognormal": RANDOM.lognormal(size=200),
    "negative": -RANDOM.exponential(size=100),
    "zeros": np.where(RANDOM.random(300) < 0.4, 0.0, RANDOM.lognormal(size=300)),
    "sentinel": np.where(RANDOM.random(300) < 0.1, -999.0, RANDOM.normal(size=300)),
    "outlier": np.append(RANDOM.normal(size=499), 1e8),
    "tiny": 1e-300 * RANDOM.normal(size=50),
    "offset": 1e9 + RANDOM.normal(size=100),
    "counts": RANDOM.poisson(3.0, size=200),
    "ages": RANDOM.integers(17, 90, size=400),
    "incomes": RANDOM.integers(0, 300, size=300) * 250,
    "large": RANDOM.integers(-(10**12), 10**12, size=100),
    "halves": RANDOM.integers(0, 20, size=60) / 2 + 1e6,
    "cents": np.round(RANDOM.lognormal(2.0, 1.0, size=400), 2),
    "kelvin": 273.15 + RANDOM.integers(0, 40, size=100),
    "below zero": -RANDOM.poisson(5.0, size=100),
    "two": [1.5, 2.5],
    "few": [0.123456, 4.56789, 9.87654],
    "constant": np.full(20, 7.25),
    "one": [3.0],
}
CONTINUOUS = ["normal", "lognormal", "tiny", "few", "zeros"]
LATTICES = ["counts", "ages", "incomes", "large", "halves", "cents", "kelvin", "below zero"]


@pytest.mark.parametrize("name", COLUMNS)
def test_all_columns_have_finite_scores_and_come_back(name):
    values = np.unique(np.asarray(COLUMNS[name], float))
    margin = learn(COLUMNS[name])
    cells = margin.cells(values)
    assert (cells.lower <= cells.upper).all()
    assert (np.diff(cells.lower) > 0).all()
    middle = 0.5 * (cells.lower + cells.upper)
    again = margin.inverse(np.where(cells.lower == cells.upper, cells.lower, middle))
    if margin.step:
        assert_array_equal(again, values)
    else:
        assert_allclose(again, values, rtol=1e-9, atol=1e-12 * np.ptp(values))
    far = np.array([-1e150, -1e8, -1.0, 0.0, 2.5, 1e8, 1e150])
    for part in (*margin.cells(far), scores(margin, values)):
        assert np.isfinite(part).all()
    drawn = margin.inverse(np.linspace(-40.0, 40.0, 999))
    assert drawn.min() == values[0]
    assert drawn.max() == values[-1]
    assert (np.diff(drawn) >= 0).all()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_learnt_density_integrates_to_the_share_of_the_smooth_part(name):
    margin = learn(COLUMNS[name])
    knots = margin.origin + margin.unit * margin.knots

    def density(u):
        return np.exp(scores(margin, [margin.origin + margin.unit * u])[0]) * margin.unit

    assert len(knots) > 3
    inner = [quad(density, *pair, epsabs=1e-12, limit=100)[0] for pair in pairwise(margin.knots)]
    outer = ndtr(margin.scores[0]) + ndtr(-margin.scores[-1])
    assert_allclose(sum(inner), margin.share * (1.0 - outer), atol=1e-6)
    above = quad(
        lambda t: density(margin.knots[-1] + np.expm1(t)) * np.exp(t), 0.0, 80.0, limit=400
    )[0]
    assert_allclose(above, margin.share * ndtr(-margin.scores[-1]), rtol=1e-4)


def test_the_negative_of_a_column_has_the_mirrored_margin():
    for name in ("negative", "below zero"):
        values = np.asarray(COLUMNS[name], float)
        margin, mirrored = learn(values), learn(-values)
        assert_allclose(scores(margin, values), scores(mirrored, -values), rtol=1e-11)
        assert_allclose(margin.cells(values).lower, -mirrored.cells(-values).upper, rtol=1e-11)


@pytest.mark.parametrize("name", LATTICES)
def test_learnt_masses_of_all_levels_sum_to_one(name):
    margin = learn(COLUMNS[name])
    values = np.unique(np.asarray(COLUMNS[name], float))
    assert margin.step > 0
    n_levels = min(round((values[-1] - values[0]) / margin.step) + 1, 100_000)
    levels = values[0] + margin.step * np.arange(-n_levels, n_levels + 1)
    cells = margin.cells(levels)
    assert_array_equal(cells.upper[:-1], cells.lower[1:])
    total = np.exp(scores(margin, levels)).sum()
    assert_allclose(total + ndtr(cells.lower[0]) + ndtr(-cells.upper[-1]), 1.0, atol=1e-10)


@pytest.mark.parametrize("name", ["ages", "zeros", "normal", "cents"])
def test_weights_are_repetitions(name):
    values = np.asarray(COLUMNS[name], float)
    weights = np.random.default_rng(1).integers(1, 4, len(values))
    assert_same(learn(np.repeat(values, weights)), learn(values, weights.astype(float)))


def test_the_order_of_rows_does_not_matter():
    values = COLUMNS["zeros"]
    assert_same(learn(values), learn(values[::-1]))


def test_weights_may_sum_to_less_than_one():
    margin = learn([1.0, 2.5, 3.7, 9.1], np.array([0.1, 0.2, 0.05, 0.1]))
    assert np.isfinite(scores(margin, [0.0, 2.5, 5.0])).all()
    assert np.isfinite(scores(learn([4.0], np.array([1e-3])), [4.0, 5.0])).all()


def test_a_constant_is_certain_and_all_else_possible():
    for value in (7.25, 0.0, -3.0, 1e-300, 1e100):
        margin = learn(np.full(100, value))
        assert_allclose(scores(margin, [value]), 0.0, atol=1e-4)
        assert_array_equal(margin.inverse(np.array([-30.0, 0.0, 30.0])), value)
        assert np.isfinite(scores(margin, [value + 1.0, -1e9])).all()


@pytest.mark.parametrize("outlier", [1e3, 1e5, 1e8, -999.0, 1e100])
def test_an_outlier_does_not_blur_the_others(outlier):
    values = np.random.default_rng(0).normal(size=500)
    test = np.random.default_rng(1).normal(size=2_000)
    without = scores(learn(values), test).mean()
    assert scores(learn(np.append(values[:-1], outlier)), test).mean() > without - 0.01


def test_a_sentinel_is_an_atom():
    margin = learn(COLUMNS["sentinel"])
    share = np.mean(COLUMNS["sentinel"] == -999.0)
    assert_array_equal(margin.atoms, [-999.0])
    assert_allclose(np.exp(scores(margin, [-999.0])), share, rtol=1e-3)
    test = np.random.default_rng(1).normal(size=2_000)
    assert scores(margin, test).mean() > np.log(1 - share) + norm.logpdf(test).mean() - 0.05


@pytest.mark.parametrize("sentinel", [-999.0, 9999.0])
@pytest.mark.parametrize("is_whole", [False, True])
def test_a_sentinel_is_no_end_of_the_other_values(sentinel, is_whole):
    """Nothing is drawn between it and them, and money is as far from negative as without it."""
    values = np.random.default_rng(0).lognormal(3.0, 1.0, 400)
    values = np.round(values) if is_whole else values
    alone = learn(values)
    margin = learn(np.append(values, np.full(60, sentinel)))
    drawn = margin.inverse(norm.ppf((np.arange(20_000) + 0.5) / 20_000))
    rest = drawn[drawn != sentinel]
    assert abs(1.0 - len(rest) / 20_000 - 60 / 460) < 2e-3
    assert rest.min() >= values.min()
    assert rest.max() <= values.max()
    below_zero = [ndtr(m.cells(np.array([-1.0])).upper[0]) for m in (alone, margin)]
    if sentinel < 0:
        assert below_zero[1] - 60 / 460 < 1e-3
    assert below_zero[0] < 1e-3


def test_nothing_to_speak_of_is_below_zero_where_nothing_was():
    for name in ("lognormal", "counts", "zeros"):
        margin = learn(COLUMNS[name])
        below = margin.cells(np.array([0.0])).lower[0]
        assert 0.0 < ndtr(below) < 1e-3
        assert -15.0 < scores(margin, [-1.0])[0] < -6.0
    assert ndtr(-learn(COLUMNS["negative"]).cells(np.array([1e-9])).upper[0]) < 1e-3


def test_lattices_are_found():
    for values, step, digits in (
        ([1.0, 5.0, 9.0], 1.0, 0),
        (np.arange(30) / 2 + 0.5, 0.5, 1),
        (np.arange(100) / 10, 0.1, 1),
        (273.15 + np.arange(10), 1.0, 2),
        (np.arange(500) / 100, 0.01, 2),
        (np.arange(12) / 4, 0.25, 2),
        (np.float32(np.arange(40) / 10).astype(float), 0.1, 1),
        (np.float32(np.arange(400) / 10 + 30).astype(float), 0.1, 1),
    ):
        lattice = find_lattice(np.asarray(values), 2.0 * len(values))
        assert_allclose(lattice, (step, digits))
    standardised = (np.arange(20) - 7.7) / np.sqrt(13.0)
    assert_allclose(find_lattice(standardised, 100.0).step, 1.0 / np.sqrt(13.0), rtol=1e-12)


def test_single_precision_is_read_as_the_decimals_it_stands_for():
    values = np.round(np.random.default_rng(0).normal(45.0, 6.0, 300), 1)
    singles = np.float32(values).astype(float)
    of_double, of_single = learn(values), learn(singles)
    assert of_double.step == of_single.step == 0.1
    for margin in of_double, of_single:
        for same in values, singles:
            assert_allclose(margin.cells(same), of_double.cells(values), rtol=1e-4, atol=1e-6)
            below, at = margin.limits(same)
            assert (below < at).all()
        below, at = margin.limits(values + 0.03)
        assert_array_equal(below, at)
    drawn = of_single.inverse(np.linspace(-1.5, 1.5, 50))
    assert_array_equal(np.float32(drawn), np.float32(np.round(drawn, 1)))


def test_measurements_are_no_lattice():
    random = np.random.default_rng(0)
    for values in (
        random.normal(size=100),
        np.round(random.normal(size=50), 4),
        1e-300 * random.normal(size=50),
        1e9 + random.normal(size=50),
        [0.1234, 0.5678, 0.9],
    ):
        assert find_lattice(np.unique(values), float(len(values))).step == 0.0


@pytest.mark.parametrize("n_rows", [30, 300])
def test_the_density_is_nearly_that_of_a_normal_distribution(n_rows):
    gaps = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        test = random.normal(size=1_000)
        margin = learn(random.normal(size=n_rows))
        gaps.append((norm.logpdf(test) - scores(margin, test)).mean())
    assert np.mean(gaps) < 2.5 / n_rows + 0.01


def test_a_narrow_bump_is_seen():
    random = np.random.default_rng(0)
    values = np.where(
        random.random(600) < 0.5, random.uniform(0, 0.02, 600), random.normal(size=600)
    )
    train, test = values[:400], values[400:]
    is_in = (test >= 0) & (test < 0.02)
    truth = np.log(0.5 * norm.pdf(test) + 25.0 * is_in)
    assert scores(learn(train), test).mean() > truth.mean() - 0.12


def test_a_logarithm_changes_no_more_than_the_density():
    for n_rows in (60, 500):
        gaps = []
        for seed in range(10):
            random = np.random.default_rng(seed)
            train, test = (
                np.where(random.random(n) < 0.5, -6.0, 2.0) + random.normal(size=n)
                for n in (n_rows, 500)
            )
            there = scores(learn(np.exp(train)), np.exp(test)) + test
            gaps.append((scores(learn(train), test) - there).mean())
        assert abs(np.mean(gaps)) < 0.02


@pytest.mark.parametrize("name", ["normal", "outlier", "sentinel", "few"])
def test_units_do_not_matter(name):
    values = np.asarray(COLUMNS[name], float)
    shift = 0.0 if values.min() > 0 else 0.5
    there = learn(3.7 * values + shift)
    got = scores(there, 3.7 * values + shift)
    expected = scores(learn(values), values)
    is_atom = np.isin(values, learn(values).atoms)
    assert_allclose(got + np.where(is_atom, 0.0, np.log(3.7)), expected, atol=1e-5)
    exact = learn(2.0**40 * values)
    assert_array_equal(exact.cells(2.0**40 * values).lower, learn(values).cells(values).lower)


def test_levels_with_many_rows_are_wide_cells():
    assert not learn(COLUMNS["counts"]).is_point()
    assert not learn(COLUMNS["zeros"]).is_point()
    assert learn(COLUMNS["normal"]).is_point()
    assert learn(COLUMNS["large"]).is_point()


def test_copies_of_all_rows_tell_nothing_new():
    values = np.sort(np.random.default_rng(0).normal(size=60))
    once = learn_margin(values, np.ones(60)).to_arrays()
    for weight in 1.5, 3.0, 100.0:
        again = learn_margin(values, np.full(60, weight)).to_arrays()
        assert all(np.array_equal(again[name], once[name]) for name in once)


def test_margins_of_some_rows_keep_what_is_mass_and_what_is_density():
    """What occurs less often among fewer rows is an atom still, and halves are levels."""
    rng = np.random.default_rng(0)
    spiked, halves = rng.normal(size=400), rng.integers(0, 60, 400) / 2.0
    spiked[:6] = 0.25
    X = np.column_stack([spiked, halves, rng.integers(0, 3, 400)])
    X[5:9, 1] = np.nan
    margins = [learn(column[~np.isnan(column)]) for column in X.T[:2]]
    scopes = [Scope(np.array([j]), NUMERIC, None, margin=m) for j, m in enumerate(margins)]
    scopes.append(Scope(np.array([2]), CATEGORICAL, np.arange(3.0)))
    some = np.arange(3, 40)
    rows = Rows.encode(X, scopes, np.ones(400)).take(some).without_unused()
    own = with_own_margins(rows)
    assert own.scopes[2] == scopes[2]
    assert own.evidence is rows.evidence
    first, second = own.scopes[0].margin, own.scopes[1].margin
    assert first.step == 0.0
    assert first.atoms.tolist() == [0.25] == margins[0].atoms.tolist()
    assert learn(spiked[some]).atoms.size == 0
    assert_allclose(first.masses, 3 / 37)
    assert second.step == margins[1].step == 0.5
    X[40:] = 1e3  # what other rows hold is of no account
    again = with_own_margins(
        replace(rows, evidence=Rows.encode(X[some], scopes, np.ones(37)).evidence)
    )
    for column in range(2):
        assert_same(again.scopes[column].margin, own.scopes[column].margin)


def test_margins_of_negative_rows_keep_their_atoms():
    rng = np.random.default_rng(0)
    values = -np.exp(rng.normal(size=300))
    values[:40] = -9.0
    margin = learn(values)
    scopes = [Scope(np.array([0]), NUMERIC, None, margin=margin)]
    rows = Rows.encode(values[38:200, None], scopes, np.ones(162))
    own = with_own_margins(rows).scopes[0].margin
    assert margin.atoms.tolist() == own.atoms.tolist() == [-9.0]
    assert_allclose(own.masses, 2 / 162)


@pytest.mark.parametrize(
    ("values", "digits"),
    [
        ([0.5, 1910.16, 3.2], 2),
        ([-1e-8, 7.0, 2.5], 8),
        ([0.1 + 0.2, 0.76 * 42, 1e6], 2),  # 0.30000000000000004 and 31.919999999999998
        (np.array([19.99, 0.1, 1e5], np.float32), 2),
        ([1.0, 1e20, 3e20], 0),
        ([0.5, 1 / 3, 2.0], -1),
        (np.append(np.arange(200) + 0.25, np.pi), -1),
        (np.random.default_rng(0).normal(size=5), -1),
        (np.random.default_rng(0).normal(size=50).astype(np.float32) / 1e3, -1),
    ],
)
def test_decimals_that_all_values_have(values, digits):
    values = np.unique(np.asarray(values, float))
    assert find_decimals(values) == digits
    assert find_decimals(-values[::-1]) == digits


def test_rounding_keeps_atoms_and_bounds():
    rng = np.random.default_rng(0)
    values, counts = np.unique(
        np.append(rng.lognormal(5.0, size=300).round(5), np.full(40, 0.1 + 0.2)), return_counts=True
    )
    margin = learn_margin(values, counts.astype(float))
    assert (margin.step, margin.digits) == (0.0, 5)
    assert_array_equal(margin.atoms, [0.1 + 0.2])
    found = margin.nearest(np.array([0.1 + 0.2, 5.1234561, 1e9, -5.0]))
    assert_array_equal(found, [0.1 + 0.2, 5.12346, values[-1], 0.1 + 0.2])
    bounds = Interval(5.000001, 5.000019)
    inside = np.array([5.000004, 5.000012, 5.000018])
    assert_array_equal(margin.rounded(inside, bounds), [5.000004, 5.00001, 5.000018])
