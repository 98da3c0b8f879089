"""Manifolds against equations that hold on them, written without their parametrisation."""

import numpy as np
import pytest
from scipy.stats import kstest, norm

from skpc.datasets import MANIFOLDS, make_manifold

IN_SPACE = {"bent_lissajous", "helix", "interlocked_circles", "knotted", "twisted_eight"}
PUBLISHED_NOISE = dict.fromkeys(MANIFOLDS, 0.1) | {"helix": 0.05, "two_moons": 0.05, "pinwheel": 0}
N = 5000

# Each of the following takes points and returns what must be zero on the curve (n, any), the
# share of the curve up to each point (n,), which must be uniform, and the part it lies on.


def on_bent_lissajous(X):
    x, y, z = X.T
    turn = np.copysign(np.arccos(y), x * y) / (2 * np.pi) + 0.5
    return np.column_stack([x**2 + z**2 - 1, z - 2 * y**2 + 1]), turn, None


def on_helix(X):
    x, y, z = X.T
    return np.column_stack([y - np.cos(x), z - np.sin(x)]), x / (6 * np.pi), None


def on_circles(X, centre):
    x, y, z = X.T
    second = np.abs(z) > 0
    x = x - centre * second
    turn = np.arctan2(x, y + z) / (2 * np.pi) + 0.5
    return np.column_stack([y * z, x**2 + y**2 + z**2 - 1]), turn, second


def on_knotted(X):
    """The knot is y + i x = e^{it} - 2 e^{-2it}, whence |y + i x|^2 = 5 - 4 cos 3t."""
    x, y, z = X.T
    cube = (5 - x**2 - y**2) / 4 + 1j * z
    unit = (y + 1j * x) / (1 - 2 * cube.conj())
    return np.column_stack([np.abs(cube) - 1, np.abs(unit**3 - cube)]), turn_of(unit), None


def turn_of(unit):
    return np.angle(unit) / (2 * np.pi) + 0.5


def on_spiral(X):
    radius = np.hypot(*X.T)
    forward = np.column_stack([np.cos(radius / 2), np.sin(radius / 2)]) * radius[:, None]
    arm = (X * forward).sum(axis=1) < 0
    return X - np.where(arm, -1, 1)[:, None] * forward, (radius / (4 * np.pi)) ** 2, arm


def on_two_moons(X):
    lower_X = np.array([1.0, 0.5]) - X
    lower = np.abs(np.hypot(*X.T) - 1) > np.abs(np.hypot(*lower_X.T) - 1)
    x, y = np.where(lower[:, None], lower_X, X).T
    return np.column_stack([np.hypot(x, y) - 1, np.minimum(y, 0)]), np.arctan2(y, x) / np.pi, lower


CURVES = {
    "bent_lissajous": on_bent_lissajous,
    "helix": on_helix,
    "interlocked_circles": lambda X: on_circles(X, 1.0),
    "knotted": on_knotted,
    "spiral": on_spiral,
    "twisted_eight": lambda X: on_circles(X, 2.0),
    "two_moons": on_two_moons,
}
OF_TWO_PARTS = ["interlocked_circles", "spiral", "twisted_eight", "two_moons"]


def test_every_manifold_is_checked():
    assert set(MANIFOLDS) == {*CURVES, "pinwheel"}
    assert len(MANIFOLDS) == 8


@pytest.mark.parametrize("name", CURVES)
def test_without_noise_points_lie_on_the_curve(name):
    residuals, _, _ = CURVES[name](make_manifold(name, N, noise=0, random_state=0))
    # Rounding only; the spiral's radius goes up to 13.
    np.testing.assert_allclose(residuals, 0, atol=1e-13)


@pytest.mark.parametrize("name", CURVES)
def test_the_parameter_is_uniform(name):
    _, share, _ = CURVES[name](make_manifold(name, N, noise=0, random_state=1))
    assert kstest(share, "uniform").pvalue > 0.01


@pytest.mark.parametrize("name", OF_TWO_PARTS)
def test_parts_are_equally_likely_and_independent_of_the_parameter(name):
    _, share, part = CURVES[name](make_manifold(name, N, noise=0, random_state=2))
    assert abs(part.mean() - 0.5) < 3 * 0.5 / np.sqrt(N)
    assert kstest(share[part], "uniform").pvalue > 0.01
    # Any order of rows must do: neighbours are as often on the same part as not.
    assert abs((part[1:] == part[:-1]).mean() - 0.5) < 3 * 0.5 / np.sqrt(N)


def test_pinwheel_has_five_equal_arms_of_normal_radius_and_angle():
    X = make_manifold("pinwheel", N, noise=0, random_state=0)
    arms = np.arctan2(X[:, 1], X[:, 0]) / (2 * np.pi / 5)
    assert kstest(np.hypot(*X.T), norm(1, 0.3).cdf).pvalue > 0.01
    # The middle of a gap is pi / 5 from an arm: 3.1 standard deviations, 0.2 % cross it.
    assert kstest((arms - np.rint(arms)) * 2 * np.pi / 5, norm(0, 0.2).cdf).pvalue > 0.01
    counts = np.bincount(np.rint(arms).astype(int) % 5)
    assert counts.size == 5
    assert np.abs(counts / N - 0.2).max() < 3 * np.sqrt(0.2 * 0.8 / N)


@pytest.mark.parametrize("name", MANIFOLDS)
def test_noise_is_normal_and_independent_between_coordinates(name):
    clean = make_manifold(name, N, noise=0, random_state=3)
    noise = make_manifold(name, N, noise=0.7, random_state=3) - clean
    for column in noise.T:
        assert kstest(column, norm(0, 0.7).cdf).pvalue > 0.005
    np.testing.assert_allclose(noise.std(axis=0), 0.7, rtol=3 / np.sqrt(2 * N))
    correlations = np.corrcoef(np.hstack([noise, clean]).T)[: noise.shape[1]]
    np.testing.assert_allclose(correlations - np.eye(*correlations.shape), 0, atol=4 / np.sqrt(N))


@pytest.mark.parametrize("name", MANIFOLDS)
def test_default_noise_is_the_published_one(name):
    expected = make_manifold(name, 50, noise=PUBLISHED_NOISE[name], random_state=0)
    np.testing.assert_array_equal(make_manifold(name, 50, random_state=0), expected)


@pytest.mark.parametrize("name", MANIFOLDS)
def test_shape_and_dtype(name):
    for X, n in (make_manifold(name), 1000), (make_manifold(name, np.int64(1), noise=1), 1):
        assert X.shape == (n, 3 if name in IN_SPACE else 2)
        assert X.dtype == np.float64
        assert X.flags.c_contiguous


@pytest.mark.parametrize("name", MANIFOLDS)
def test_the_seed_decides_every_bit(name):
    X = make_manifold(name, 20, random_state=5)
    np.testing.assert_array_equal(make_manifold(name, 20, random_state=5), X)
    generator = np.random.RandomState(5)
    np.testing.assert_array_equal(make_manifold(name, 20, random_state=generator), X)
    for other in (
        make_manifold(name, 20, random_state=6),
        make_manifold(name, 20, random_state=generator),
    ):
        assert (other != X).any(axis=1).all()


def test_the_global_generator_is_left_alone():
    np.random.seed(0)
    expected = np.random.random_sample()
    np.random.seed(0)
    make_manifold("helix", random_state=1)
    assert np.random.random_sample() == expected


def test_an_unknown_name_is_named_with_the_valid_ones():
    with pytest.raises(ValueError, match=r"'name' parameter of make_manifold .*'moons'") as error:
        make_manifold("moons")
    assert all(repr(name) in str(error.value) for name in MANIFOLDS)


@pytest.mark.parametrize("n_samples", [0, -1, 2.0, "3", None])
def test_bad_n_samples(n_samples):
    with pytest.raises(ValueError, match="'n_samples' parameter of make_manifold"):
        make_manifold("helix", n_samples)


@pytest.mark.parametrize("noise", [-0.1, np.nan, np.inf, "0"])
def test_bad_noise(noise):
    with pytest.raises(ValueError, match="'noise' parameter of make_manifold"):
        make_manifold("helix", noise=noise)


def test_bad_random_state():
    with pytest.raises(ValueError, match="'random_state' parameter of make_manifold"):
        make_manifold("helix", random_state="seed")
