"""Synthetic tables to try densities on."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from skpc._tables.sklearn_private import Interval, StrOptions, validate_params

__all__ = ["MANIFOLDS", "make_manifold"]


def _bent_lissajous(n: int, rng: np.random.RandomState) -> np.ndarray:
    t = rng.uniform(-np.pi, np.pi, n)
    return np.column_stack([np.sin(2 * t), np.cos(t), np.cos(2 * t)])


def _helix(n: int, rng: np.random.RandomState) -> np.ndarray:
    t = rng.uniform(0, 6 * np.pi, n)
    return np.column_stack([t, np.cos(t), np.sin(t)])


def _two_circles(n: int, rng: np.random.RandomState, distance: float) -> np.ndarray:
    """Unit circles in two planes that meet in the line through both centres."""
    t = rng.uniform(-np.pi, np.pi, n)
    second = rng.randint(2, size=n)
    x = np.sin(t) + distance * second
    return np.column_stack([x, np.cos(t) * (1 - second), np.cos(t) * second])


def _interlocked_circles(n: int, rng: np.random.RandomState) -> np.ndarray:
    return _two_circles(n, rng, 1.0)


def _twisted_eight(n: int, rng: np.random.RandomState) -> np.ndarray:
    return _two_circles(n, rng, 2.0)


def _knotted(n: int, rng: np.random.RandomState) -> np.ndarray:
    t = rng.uniform(-np.pi, np.pi, n)
    x = np.sin(t) + 2 * np.sin(2 * t)
    y = np.cos(t) - 2 * np.cos(2 * t)
    return np.column_stack([x, y, np.sin(3 * t)])


def _pinwheel(n: int, rng: np.random.RandomState) -> np.ndarray:
    radius = rng.normal(1.0, 0.3, n)
    angle = 2 * np.pi / 5 * rng.randint(5, size=n) + rng.normal(0.0, 0.2, n)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def _spiral(n: int, rng: np.random.RandomState) -> np.ndarray:
    t = 2 * np.pi * np.sqrt(rng.random_sample(n))
    radius = 2 * t * rng.choice([1.0, -1.0], n)
    return np.column_stack([radius * np.cos(t), radius * np.sin(t)])


def _two_moons(n: int, rng: np.random.RandomState) -> np.ndarray:
    t = rng.uniform(0, np.pi, n)
    upper = np.column_stack([np.cos(t), np.sin(t)])
    lower = np.array([1.0, 0.5]) - upper
    return np.where(rng.randint(2, size=(n, 1)) == 0, upper, lower)


# Each with the noise of the published experiments; the pinwheel's spread is its shape.
_MAKERS: dict[str, tuple[Callable[[int, np.random.RandomState], np.ndarray], float]] = {
    "bent_lissajous": (_bent_lissajous, 0.1),
    "helix": (_helix, 0.05),
    "interlocked_circles": (_interlocked_circles, 0.1),
    "knotted": (_knotted, 0.1),
    "pinwheel": (_pinwheel, 0.0),
    "spiral": (_spiral, 0.1),
    "twisted_eight": (_twisted_eight, 0.1),
    "two_moons": (_two_moons, 0.05),
}

#: Names of the manifolds that `make_manifold` knows.
MANIFOLDS: tuple[str, ...] = tuple(_MAKERS)


@validate_params(
    {
        "name": [StrOptions(set(MANIFOLDS))],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left"), None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_manifold(
    name: str,
    n_samples: int = 1000,
    *,
    noise: float | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    r"""Draw points near a curve in the plane or in space.

    The eight shapes on which sharpness-aware learning of circuits was first measured [1]_;
    most of them come from work on normalising flows [2]_. Rows are independent draws.

    Parameters
    ----------
    name : str
        One of `MANIFOLDS`: in the plane "pinwheel", "spiral" and "two_moons", in space
        "bent_lissajous", "helix", "interlocked_circles", "knotted" and "twisted_eight".

    n_samples : int, default=1000
        Number of rows.

    noise : float or None, default=None
        Standard deviation of the Gaussian noise that is added to every coordinate. 0 puts
        the points on the curve. None means that of the experiments of [1]_: 0.05 for
        "helix" and "two_moons", none for "pinwheel", else 0.1.

    random_state : int, RandomState instance or None, default=None
        Decides the draw. With an int, the points before noise do not depend on `noise`.

    Returns
    -------
    ndarray of shape (n_samples, 2) or (n_samples, 3), float64
        Not scaled: [1]_ standardises each column.

    See Also
    --------
    sklearn.datasets.make_moons : Two moons with labels, evenly spaced.

    Notes
    -----
    With t uniform on one turn, where nothing else is said, and every part of a curve of
    several parts equally likely, the shapes are

    - bent_lissajous: :math:`(\sin 2t, \cos t, \cos 2t)`;
    - helix: :math:`(t, \cos t, \sin t)`, t uniform on :math:`[0, 6 \pi]`;
    - interlocked_circles: :math:`(\sin t, \cos t, 0)` and :math:`(1 + \sin t, 0, \cos t)`;
    - knotted, a trefoil: :math:`(\sin t + 2 \sin 2t, \cos t - 2 \cos 2t, \sin 3t)`;
    - pinwheel: five straight arms, in polar coordinates the radius normal (1, 0.3), the
      angle normal (2 pi a / 5, 0.2) for arm a. A region rather than a curve, noise or not,
      and its arms are not bent, unlike those of other data sets of that name;
    - spiral: :math:`\pm 2t (\cos t, \sin t)`, t being :math:`2 \pi \sqrt u` with u uniform
      on [0, 1];
    - twisted_eight: :math:`(\sin t, \cos t, 0)` and :math:`(2 + \sin t, 0, \cos t)`, two
      circles that touch;
    - two_moons: :math:`(\cos t, \sin t)` and :math:`(1 - \cos t, 1/2 - \sin t)`, t uniform
      on :math:`[0, \pi]`.

    They follow the code published with [1]_, whose curves in space are those of the code
    of [2]_ up to scale. That code spaces t evenly in space and splits most shapes into
    parts of exactly equal size; here both are drawn, so that rows are independent.

    References
    ----------
    .. [1] H. Suresh et al., "Tractable Sharpness-Aware Learning of Probabilistic Circuits",
       AAAI 2026, arXiv:2508.05537, Table 1.
    .. [2] S. Sidheekh et al., "VQ-Flows: Vector Quantized Local Normalizing Flows",
       UAI 2022; used again in "Probabilistic Flow Circuits", UAI 2023.

    Examples
    --------
    >>> from skpc.datasets import make_manifold
    >>> X = make_manifold("interlocked_circles", 200, noise=0.0, random_state=0)
    >>> X.shape
    (200, 3)
    >>> bool((X[:, 1] * X[:, 2] == 0).all())
    True
    """
    rng = check_random_state(random_state)
    make, published_noise = _MAKERS[name]
    X = make(n_samples, rng)
    return X + rng.normal(0.0, published_noise if noise is None else noise, X.shape)
