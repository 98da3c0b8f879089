"""The likelihood along lines of normalised circuits: see `skpc.curvature`."""

from __future__ import annotations

from typing import Any

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._passes.blocks import DEFAULT_MAX_BYTES
from skpc._passes.likelihood import log_likelihood
from skpc._threads import use_threads
from skpc.curvature.parameters import ParameterVector, checked_rows, work_of


def project_direction(
    circuit: Circuit, direction: np.ndarray, *, include_inputs: bool = False
) -> np.ndarray:
    """The part of a direction that keeps every distribution's sum at one.

    From the root weights, from each row of the sum weights and from each state's
    probabilities of a column's categories, the mean is subtracted: an orthogonal projection.

    Parameters
    ----------
    circuit : Circuit
        Of a fitted estimator: its `circuit_`.
    direction : array of shape (P,)
        A parameter vector; see `skpc.curvature`.
    include_inputs : bool, default=False
        Whether the categories' probabilities are parameters too.

    Returns
    -------
    ndarray of shape (P,)
        The projection, a parameter vector.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import project_direction
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> project_direction(circuit, [1.0, 0.0, 2.0, 0.0, 0.0, 0.0])
    array([ 0.5, -0.5,  1. , -1. ,  0. ,  0. ])
    """
    parameters = ParameterVector(circuit, include_inputs)
    return parameters.project(_checked_direction(parameters, direction))


def admissible_steps(
    circuit: Circuit, direction: np.ndarray, *, include_inputs: bool = False
) -> tuple[float, float]:
    """The open interval of steps along a direction that keep all parameters positive.

    Parameters
    ----------
    circuit : Circuit
        Of a fitted estimator: its `circuit_`.
    direction : array of shape (P,)
        A parameter vector, which is projected; see `project_direction`.
    include_inputs : bool, default=False
        Whether the categories' probabilities are parameters too.

    Returns
    -------
    low : float
        The lower end, at most zero; infinite if the projection is zero.
    high : float
        The upper end.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import admissible_steps
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> low, high = admissible_steps(circuit, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    >>> np.allclose([low, high], [-2 * circuit.root_weights[0], 2 * circuit.root_weights[1]])
    True
    """
    parameters = ParameterVector(circuit, include_inputs)
    projected = parameters.project(_checked_direction(parameters, direction))
    return _interval(parameters.values, projected)


def directional_profile(
    circuit: Circuit,
    X: np.ndarray,
    direction: np.ndarray,
    steps: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    include_inputs: bool = False,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Mean negative log-likelihood along a line of normalised circuits.

    Parameters
    ----------
    circuit : Circuit
        Of a fitted estimator: its `circuit_`.
    X : array or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
    direction : array of shape (P,)
        A parameter vector, which is projected; see `project_direction`.
    steps : array of shape (n_steps,)
        How far to go along the projected direction, inside `admissible_steps`.
    sample_weight : array of shape (n,), optional
        Weights of the rows in the mean, default ones.
    include_inputs : bool, default=False
        Whether the categories' probabilities are parameters too.
    n_jobs : int or None, default=None
        Threads; None means Numba's current number. They do not change a bit of the result.
    max_bytes : int, default=2**30
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    ndarray of shape (n_steps,)
        In nats per row.

    Raises
    ------
    ValueError
        If a step leaves the simplex.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import directional_profile
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> directional_profile(circuit, X, [1, -1, 0, 0, 0, 0], [-0.1, 0.0, 0.1]).shape
    (3,)
    """
    parameters = ParameterVector(circuit, include_inputs)
    projected = parameters.project(_checked_direction(parameters, direction))
    steps = np.asarray(steps, dtype=np.float64)
    if steps.ndim != 1:
        raise ValueError(f"steps must be a vector; got shape {steps.shape}.")
    low, high = _interval(parameters.values, projected)
    outside = steps[~((steps > low) & (steps < high))]
    if outside.size:
        raise ValueError(
            f"steps must stay between {low:.6g} and {high:.6g}, where a parameter becomes zero; "
            f"got {outside[0]:.6g}. See admissible_steps."
        )
    X, weights = checked_rows(circuit, X, sample_weight)
    return line_profile(
        parameters, X, weights / weights.sum(), projected, steps, n_jobs=n_jobs, max_bytes=max_bytes
    )


def line_profile(
    parameters: ParameterVector,
    X: Any,
    shares: np.ndarray,
    direction: np.ndarray,
    steps: np.ndarray,
    *,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """What `directional_profile` gives for a direction that needs no projection.

    Parameters
    ----------
    parameters : ParameterVector
    X : (n, n_features) array or sparse matrix
    shares : (n,)
        Weights of the rows, summing to one.
    direction : (P,)
    steps : (n_steps,)
        With which all parameters stay positive.
    n_jobs, max_bytes : see `directional_profile`
    """
    with use_threads(n_jobs, work_of(parameters.circuit, X)):
        return np.array(
            [
                -shares @ log_likelihood(parameters.moved(step * direction), X, max_bytes=max_bytes)
                for step in steps
            ]
        )


def _checked_direction(parameters: ParameterVector, direction: Any) -> np.ndarray:
    direction = parameters.check(direction, "direction")
    if direction.ndim != 1:
        raise ValueError(f"direction must be one vector; got shape {direction.shape}.")
    return direction


def _interval(values: np.ndarray, direction: np.ndarray) -> tuple[float, float]:
    """Between which multiples of `direction` all `values` stay positive."""
    up, down = direction > 0.0, direction < 0.0
    low = np.max(-values[up] / direction[up], initial=-np.inf)
    high = np.min(-values[down] / direction[down], initial=np.inf)
    return float(low), float(high)
