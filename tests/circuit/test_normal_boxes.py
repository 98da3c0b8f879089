"""Normal vectors in boxes, against SciPy's rectangles and rejection."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from skpc._circuit.inputs.normal_boxes import folded, lattice, log_box, nodes_of_all
from skpc._circuit.inputs.normal_pieces import Pieces, log_masses


def interval(low, high):
    return Pieces(*(np.array([x]) for x in (low, high, 0.0, np.nan)))


def union(*intervals):
    low, high = np.array(intervals).T
    return Pieces(low, high, np.zeros(len(low)), np.full(len(low), np.nan))


def normals(n_entries, seed=0, n_states=3):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(n_states, n_entries, n_entries))
    covariances = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(n_entries)
    return rng.normal(size=(n_states, n_entries)), covariances


@pytest.mark.parametrize(("n_entries", "error"), [(1, 1e-12), (2, 2e-6), (3, 1e-4), (4, 1e-3)])
def test_the_mass_of_a_box_is_that_of_scipy(n_entries, error):
    means, covariances = normals(n_entries)
    bounds = np.array([(-1.0, 0.5), (0.0, np.inf), (-np.inf, 0.3), (-0.2, 2.0)])[:n_entries]
    pieces = [interval(*pair) for pair in bounds]
    found = log_box(pieces, means, np.linalg.cholesky(covariances))
    for k in range(len(means)):
        low, high = bounds.T
        normal = multivariate_normal(means[k], covariances[k], abseps=1e-8, releps=1e-8)
        normal.maxpts = 10**6
        expected = normal.cdf(high, lower_limit=low, rng=np.random.default_rng(0))
        np.testing.assert_allclose(np.exp(found[k]), expected, rtol=error)


def test_two_that_nearly_determine_each_other_are_as_exact():
    covariances = np.array([[[1.0, 0.99], [0.99, 1.0]]])
    pieces = [interval(-0.3, 0.2), interval(0.1, 0.4)]
    found = log_box(pieces, np.zeros((1, 2)), np.linalg.cholesky(covariances))
    normal = multivariate_normal(np.zeros(2), covariances[0])
    expected = normal.cdf([0.2, 0.4], lower_limit=[-0.3, 0.1])
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-6)


def test_the_mass_of_a_union_is_the_sum_of_the_masses():
    means, covariances = normals(2, seed=1)
    factors = np.linalg.cholesky(covariances)
    parts, other = [(-2.0, -1.0), (0.5, 0.7)], interval(-0.5, 1.0)
    apart = [np.exp(log_box([interval(*part), other], means, factors)) for part in parts]
    for pieces in [union(*parts), other], [other, union(*parts)]:
        order = [0, 1] if pieces[1] is other else [1, 0]
        own = np.linalg.cholesky(covariances[:, order][:, :, order])
        found = np.exp(log_box(pieces, means[:, order], own))
        np.testing.assert_allclose(found, sum(apart), rtol=1e-6)


def test_a_box_of_independent_entries_is_a_product():
    means, deviations = np.array([[0.2, -1.0, 3.0]]), np.array([0.5, 2.0, 1.0])
    pieces = [interval(0.0, 1.0), interval(-np.inf, -3.0), interval(3.0, 3.1)]
    found = log_box(pieces, means, np.diag(deviations)[None])
    each = [
        log_masses(one, means[0, i : i + 1], deviations[i : i + 1])[0, 0]
        for i, one in enumerate(pieces)
    ]
    np.testing.assert_allclose(found, sum(each), rtol=1e-12)


def test_nodes_have_the_moments_of_vectors_that_are_in_the_box():
    means, covariances = normals(3, seed=2, n_states=1)
    factors = np.linalg.cholesky(covariances)
    pieces = [interval(-0.5, 2.0), union((-np.inf, -0.5), (0.0, 1.0))]
    found = nodes_of_all(pieces, means, factors)
    weights = np.exp(found.log_weights - found.log_total[:, None])
    centres, deviations = found.conditional(means, factors)
    mean = (weights * centres).sum()
    variance = (weights * ((centres - mean) ** 2 + deviations**2)).sum()
    draws = np.random.default_rng(0).multivariate_normal(means[0], covariances[0], 400_000)
    x, y, z = draws.T
    kept = z[(x > -0.5) & (x < 2.0) & ((y < -0.5) | ((y > 0.0) & (y < 1.0)))]
    assert len(kept) > 50_000
    assert mean == pytest.approx(kept.mean(), abs=5 * kept.std() / np.sqrt(len(kept)))
    assert variance == pytest.approx(kept.var(), rel=0.03)


@pytest.mark.parametrize("n_entries", [1, 2, 5])
def test_a_lattice_fills_the_unit_cube_evenly(n_entries):
    points = lattice(n_entries, 2**12)
    assert ((points >= 0.0) & (points < 1.0)).all()
    assert ((folded(points) >= 0.0) & (folded(points) <= 1.0)).all()
    for part in points, folded(points):
        share = (part < 0.3).all(axis=1).mean()
        assert share == pytest.approx(0.3**n_entries, abs=3e-3)


def test_points_are_nodes_of_their_density():
    means, covariances = normals(2, seed=3)
    places, scales = np.array([-0.4, 0.1, 2.0]), np.array([0.0, 0.5, -1.0])
    points = Pieces(places, places, scales, places)
    found = nodes_of_all([points], means, np.linalg.cholesky(covariances))
    expected = log_masses(points, means[:, 0], np.sqrt(covariances[:, 0, 0]))
    np.testing.assert_allclose(found.log_weights, expected, rtol=1e-12)
    centres, _ = found.conditional(means, np.linalg.cholesky(covariances))
    slope = covariances[:, 1, 0] / covariances[:, 0, 0]
    shift = slope[:, None] * (places - means[:, :1])
    np.testing.assert_allclose(centres, means[:, 1:] + shift, rtol=1e-10)
