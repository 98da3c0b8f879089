"""Masses of pieces of the normal scale, and quantiles there, against SciPy."""

import numpy as np
import pytest
from scipy.stats import kstest, norm, truncnorm

from skpc._circuit.inputs.normal_pieces import Pieces, log_masses, place, quantiles

MEANS, DEVIATIONS = np.array([-1.0, 0.3, 40.0]), np.array([0.5, 2.0, 1.0])
PIECES = Pieces(
    lower=np.array([-np.inf, 0.2, -0.1, -np.inf]),
    upper=np.array([-1.0, 0.2, 2.0, np.inf]),
    log_scale=np.array([0.0, -0.7, 0.0, 0.0]),
    values=np.array([np.nan, 5.0, np.nan, np.nan]),
)


def test_masses_and_densities_are_those_of_the_normal_distribution():
    found = log_masses(PIECES, MEANS, DEVIATIONS)
    for k, (mean, deviation) in enumerate(zip(MEANS, DEVIATIONS, strict=True)):
        expected = [
            norm.logcdf(-1.0, mean, deviation),
            norm.logpdf(0.2, mean, deviation) - 0.7,
            norm.logcdf(2.0, mean, deviation)
            if mean > 30
            else np.log(norm.cdf(2.0, mean, deviation) - norm.cdf(-0.1, mean, deviation)),
            0.0,
        ]
        np.testing.assert_allclose(found[k], expected, rtol=1e-12, atol=1e-15)


def test_far_out_nothing_cancels_on_either_side():
    piece = Pieces(*(np.array([x]) for x in (30.0, 31.0, 0.0, np.nan)))
    mirrored = piece._replace(lower=-piece.upper, upper=-piece.lower)
    for one in piece, mirrored:
        found = log_masses(one, np.zeros(1), np.ones(1))[0, 0]
        assert found == pytest.approx(norm.logsf(30.0), rel=1e-12)


def test_a_piece_whose_bounds_are_not_in_order_has_no_mass():
    piece = Pieces(*(np.array([x]) for x in (0.5, -0.5, 0.0, np.nan)))
    assert log_masses(piece, MEANS, DEVIATIONS).max() == -np.inf


@pytest.mark.parametrize("bounds", [(-1.0, 0.5), (3.0, 5.0), (-9.0, -8.0), (2.0, np.inf)])
def test_quantiles_are_those_of_the_truncated_normal_distribution(bounds):
    levels = np.array([0.0, 0.1, 0.5, 0.99, 1.0])
    expected = truncnorm(*bounds).ppf(levels)
    low, high = (np.array([bound]) for bound in bounds)
    found = quantiles(low, high, np.zeros(1), np.ones(1), levels)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_quantiles_of_pieces_fall_in_pieces_by_their_mass_and_are_truncated_normal_there():
    pieces = Pieces(*(field[[0, 2]] for field in PIECES))
    uniforms = (np.arange(20_000) + 0.5) / 20_000
    means, deviations = np.full(20_000, -0.5), np.full(20_000, 1.0)
    chosen, scores = place(pieces, means, deviations, uniforms)
    logs = log_masses(pieces, means[:1], deviations[:1])[0]
    shares = np.exp(logs) / np.exp(logs).sum()
    assert np.mean(chosen == 0) == pytest.approx(shares[0], abs=1e-4)
    for p, (low, high) in enumerate([(-np.inf, -1.0), (-0.1, 2.0)]):
        own = truncnorm(low + 0.5, high + 0.5, -0.5)
        assert kstest(scores[chosen == p], own.cdf).statistic < 1e-3


def test_the_parts_of_pieces_up_to_a_value_are_what_is_below():
    found = PIECES.up_to(np.array([0.0, 5.0]), np.array([0.0, 0.5]))
    np.testing.assert_array_equal(found.lower < found.upper, [[1, 0, 1, 1], [1, 0, 1, 1]])
    np.testing.assert_array_equal(found.lower == found.upper, [[0, 0, 0, 0], [0, 1, 0, 0]])
    np.testing.assert_array_equal(found.upper[:, [0, 2, 3]], [[-1.0, 0.0, 0.0], [-1.0, 0.5, 0.5]])


@pytest.mark.parametrize("start", [-1e5, -8.0, -1e-3, 0.0, 0.5, 30.0, 1e6])
def test_masses_add_up_however_narrow_the_intervals(start):
    ends = start + np.append(0.0, np.geomspace(1e-9, 10.0, 60))
    is_new = np.append(True, np.diff(ends) > 0.0)
    ends = ends[is_new]
    n = len(ends) - 1
    nothing, unknown = np.zeros(n), np.full(n, np.nan)
    apart = log_masses(Pieces(ends[:-1], ends[1:], nothing, unknown), np.zeros(()), np.ones(()))
    first = np.full(n, ends[0])
    whole = log_masses(Pieces(first, ends[1:], nothing, unknown), np.zeros(()), np.ones(()))
    assert np.isfinite(apart).all()
    together = np.logaddexp.accumulate(apart)
    np.testing.assert_allclose(together - whole, 0.0, atol=1e-9 + 1e-14 * start**2)


def test_intervals_of_a_few_ulps_have_the_density_times_their_width():
    lower = np.full(4, 0.5)
    upper = lower + np.arange(1, 5) * np.spacing(0.5)
    for mean, deviation in ((0.0, 1.0), (0.3, 0.07), (1.0, 0.02)):
        found = log_masses(
            Pieces(lower, upper, np.zeros(4), np.full(4, np.nan)),
            np.array(mean), np.array(deviation),
        )  # fmt: skip
        wanted = norm.logpdf(0.5, mean, deviation) + np.log(upper - lower)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
