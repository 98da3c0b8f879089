"""Circuits without estimators: to build, query, write and read one, and to learn from one.

A :class:`Circuit` is what a fitted estimator has as ``circuit_``, and what :func:`from_dict` makes
of plain data. Functions take values as its inputs know them: a matrix of numbers in which a label
is its position, and NaN is missing. `SharpPCDensity.encode` makes it of a table.
Log-likelihoods are in nats; threads do not change a bit of any result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from skpc._checks import checked_n_samples, shown
from skpc._circuit import circuit as _circuits
from skpc._circuit import files as _files
from skpc._circuit.arguments import (
    check_circuit,
    checked_generator,
    checked_matrix,
    numbers_below,
)
from skpc._circuit.circuit import Circuit
from skpc._circuit.export import to_cirkit
from skpc._circuit.input_format import by_region
from skpc._data.powers_of_two import units_of
from skpc._learning.em import EStep
from skpc._passes import likelihood as _likelihood
from skpc._passes.blocks import DEFAULT_MAX_BYTES
from skpc._queries import marginals as _marginals
from skpc._queries import posteriors as _posteriors
from skpc._queries import sampling as _sampling
from skpc._queries.marginals import ConditionalMoments
from skpc._threads import use_threads
from skpc.curvature.parameters import checked_rows, work_of

__all__ = [
    "Circuit",
    "ConditionalMoments",
    "ExpectedCounts",
    "conditional_moments",
    "conditional_probabilities",
    "expected_counts",
    "from_dict",
    "load",
    "log_likelihood",
    "marginal",
    "mixture",
    "posteriors",
    "sample",
    "save",
    "to_cirkit",
    "to_dict",
]


class ExpectedCounts(NamedTuple):
    """What an E-step finds; sums are over rows, times their weights.

    Parameters
    ----------
    log_likelihood : float
        Sum of log p, in nats.
    root : ndarray of shape (n_roots * n_latents,)
        How often each state of each root is expected.
    sums : ndarray of shape (n_regions, n_latents, n_latents)
        ``[c, k, j]`` is how often state j of region c is expected below state k of its parent;
        zero at a root.
    inputs : list of n_regions ndarrays or None
        For each region: of categories (V, n_latents), how often each is seen in each state; of
        m continuous columns (n_latents, 1 + m + m * m), how often each state is expected, then the
        sums of the deviations from its mean, then of their products, in the units of the
        distribution; of a numeric column (n_latents, 3), how often each state is expected, then
        the sum and the sum of squares on the normal scale; of a forest (n_latents, rows of its
        tables), how often each pair of categories is expected; None where nothing is observed.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import expected_counts
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> counts = expected_counts(circuit, X)
    >>> counts.inputs[0].sum(axis=1)  # two zeros and two ones in the column of region 0
    array([2., 2.])
    """

    log_likelihood: float
    root: np.ndarray
    sums: np.ndarray
    inputs: list[np.ndarray | None]


def log_likelihood(
    circuit: Circuit, X: Any, *, n_jobs: int | None = None, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Exact log-likelihood of what is observed in each row.

    Parameters
    ----------
    circuit : Circuit
        Such as a fitted estimator's `circuit_`.
    X : array-like or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
    n_jobs : int or None, default=None
        Threads; None means all there are. They do not change a bit of the result.
    max_bytes : int, default=2**30
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    ndarray of shape (n,)
        In nats: log mass of categories, log density of continuous columns, their sum for both.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import log_likelihood
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
    >>> np.array_equal(log_likelihood(model.circuit_, X), model.score_samples(X))
    True
    """
    X = checked_matrix(circuit, X)
    with use_threads(n_jobs, work_of(circuit, X)):
        return _likelihood.log_likelihood(circuit, X, max_bytes=max_bytes)


def sample(
    circuit: Circuit,
    n_samples: int = 1,
    random_state: int | np.random.RandomState | None = None,
    *,
    given: Any = None,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Draw rows from the circuit, exactly.

    Parameters
    ----------
    circuit : Circuit
        Such as a fitted estimator's `circuit_`.
    n_samples : int, default=1
        Number of rows, of each row of `given` if there is one.
    random_state : int, RandomState instance or None, default=None
        Where the randomness comes from; None gives new rows each time.
    given : array-like or sparse matrix of shape (n_given, n_features), default=None
        Rows to complete: what is missing, NaN, is drawn given the rest of the row.
    n_jobs : int or None, default=None
        Threads; None means all there are. They do not change a bit of the result.
    max_bytes : int, default=2**30
        Rows of `given` are taken in blocks so that messages fit.

    Returns
    -------
    ndarray of shape (n_samples, n_features) or (n_given * n_samples, n_features)
        Values as the circuit's inputs know them; first the draws of the first row of `given`.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import sample
    >>> X = np.array([[0, 0], [1, 1]] * 20)
    >>> model = SharpPCDensity(n_latents=2, mu=0, pseudocount=0, random_state=0).fit(X)
    >>> sample(model.circuit_, 2, random_state=0, given=[[1, np.nan]])
    array([[1., 1.],
           [1., 1.]])
    """
    check_circuit(circuit)
    n_rows = checked_n_samples(n_samples)
    generator = checked_generator(random_state)
    if given is None:
        with use_threads(n_jobs):
            return _sampling.sample(circuit, n_rows, circuit.n_features, generator)
    X = checked_matrix(circuit, given, "given")
    with use_threads(n_jobs, work_of(circuit, X)):
        return _sampling.sample_given(circuit, X, n_rows, generator, max_bytes=max_bytes)


def marginal(circuit: Circuit, columns: Sequence[int]) -> Circuit:
    """The circuit over some of its columns: the others are summed out.

    Parameters
    ----------
    circuit : Circuit
        Such as a fitted estimator's `circuit_`.
    columns : sequence of int
        Which columns to keep, distinct; the first is column 0 of the smaller circuit.

    Returns
    -------
    Circuit
        Regions below which nothing is left are dropped.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import log_likelihood, marginal
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> smaller = marginal(circuit, [1])
    >>> np.allclose(log_likelihood(smaller, [[1]]), log_likelihood(circuit, [[np.nan, 1]]))
    True
    """
    check_circuit(circuit)
    chosen = numbers_below(columns, "columns", circuit.n_features, "columns")
    with use_threads(1):
        return _marginals.marginal(circuit, chosen)


def conditional_probabilities(
    circuit: Circuit,
    X: Any,
    column: int,
    *,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """How probable each category of a column is, given the other observed ones of each row.

    Parameters
    ----------
    circuit : Circuit
        Such as a fitted estimator's `circuit_`.
    X : array-like or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is missing. What rows show of `column`
        itself does not matter.
    column : int
        Which column.
    n_jobs : int or None, default=None
        Threads; None means all there are. They do not change a bit of the result.
    max_bytes : int, default=2**30
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    ndarray of shape (n, n_categories)
        Of the categories in their order; rows sum to one.

    Raises
    ------
    ValueError
        If the column is continuous.

    See Also
    --------
    conditional_moments : Of a column of numbers its mean and variance.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import conditional_probabilities
    >>> X = np.array([[0, 0], [1, 1]] * 20)
    >>> circuit = SharpPCDensity(n_latents=2, mu=0, random_state=0).fit(X).circuit_
    >>> conditional_probabilities(circuit, [[0, np.nan], [1, np.nan]], 1).round(2)
    array([[0.97, 0.03],
           [0.03, 0.97]])
    """
    X = checked_matrix(circuit, X)
    (chosen,) = numbers_below([column], "column", circuit.n_features, "columns").tolist()
    with use_threads(n_jobs, work_of(circuit, X)):
        return _marginals.conditional_probabilities(circuit, X, chosen, max_bytes=max_bytes)


def conditional_moments(
    circuit: Circuit,
    X: Any,
    column: int,
    *,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> ConditionalMoments:
    """Mean and variance of one column given the other observed columns of each row.

    Parameters
    ----------
    circuit : Circuit
        Such as a fitted estimator's `circuit_`.
    X : array-like or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is missing. What rows show of `column`
        itself does not matter.
    column : int
        Which column.
    n_jobs : int or None, default=None
        Threads; None means all there are. They do not change a bit of the result.
    max_bytes : int, default=2**30
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    ConditionalMoments
        Of a column of categories the moments of the numbers that these are.

    See Also
    --------
    conditional_probabilities : Of each category.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import conditional_moments
    >>> X = np.array([[0, 0], [1, 1]] * 20)
    >>> circuit = SharpPCDensity(n_latents=2, mu=0, random_state=0).fit(X).circuit_
    >>> conditional_moments(circuit, [[0, np.nan], [1, np.nan]], 1).mean.round(2)
    array([0.03, 0.97])
    """
    X = checked_matrix(circuit, X)
    (chosen,) = numbers_below([column], "column", circuit.n_features, "columns").tolist()
    with use_threads(n_jobs, work_of(circuit, X)):
        return _marginals.conditional_moments(circuit, X, chosen, max_bytes=max_bytes)


def posteriors(
    circuit: Circuit,
    X: Any,
    regions: Sequence[int],
    *,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """Find the probabilities of the latent states of some regions given each row.

    Parameters
    ----------
    circuit : Circuit
        Such as a fitted estimator's `circuit_`.
    X : array-like or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is missing.
    regions : sequence of m int
        Which regions, distinct.
    n_jobs : int or None, default=None
        Threads; None means all there are. They do not change a bit of the result.
    max_bytes : int, default=2**30
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    ndarray of shape (m, n, n_latents)
        Of a state together with its tree: they sum to the tree's posterior probability, which is
        one if there are no others.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import posteriors
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> posteriors(circuit, X, [1, 0]).sum(axis=-1).round(12)
    array([[1., 1., 1., 1.],
           [1., 1., 1., 1.]])
    """
    X = checked_matrix(circuit, X)
    chosen = numbers_below(regions, "regions", circuit.n_regions, "regions")
    with use_threads(n_jobs, work_of(circuit, X)):
        return _posteriors.posteriors(circuit, X, chosen, max_bytes=max_bytes)


def expected_counts(
    circuit: Circuit,
    X: Any,
    sample_weight: Any = None,
    *,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> ExpectedCounts:
    """An E-step: how often each state, and each edge of a sum node, is expected in these rows.

    Parameters
    ----------
    circuit : Circuit
        Such as a fitted estimator's `circuit_`.
    X : array-like or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
    sample_weight : array-like of shape (n,), default=None
        How often each row counts; None means once.
    n_jobs : int or None, default=None
        Threads; None means all there are. They do not change a bit of the result.
    max_bytes : int, default=2**30
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    ExpectedCounts
        The order of the rows does not matter, and a weight is the same as repetition, to the last
        bit.

    Notes
    -----
    Divided by its sum over the last axis each row of `sums` is what EM makes of `sum_weights`.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import expected_counts
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> round(float(expected_counts(circuit, X, [1, 1, 1, 2]).root.sum()), 12)
    5.0
    """
    X, weights = checked_rows(circuit, checked_matrix(circuit, X), sample_weight)
    evidence, weights, _ = circuit.inputs.encode(X).distinct(weights)
    with use_threads(n_jobs, work_of(circuit, X)):
        e_step = EStep(circuit, evidence, weights, max_bytes=max_bytes)
        counts = e_step(circuit)
    if sample_weight is not None:
        largest = np.asarray(sample_weight, np.float64).max(keepdims=True)
        counts.scale(float(units_of(largest)[0]))
    inputs = by_region(circuit.inputs, counts.inputs)
    return ExpectedCounts(float(counts.log_likelihood), counts.root, counts.sums, inputs)


def mixture(circuits: Sequence[Circuit], shares: Sequence[float] | None = None) -> Circuit:
    """One circuit of the trees of several, over the same columns.

    Parameters
    ----------
    circuits : sequence of Circuit
        At least one; with as many latent states each, and the same categories of each column.
    shares : sequence of float, default=None
        What each is weighted with, positive and in proportion; None weights all alike.

    Returns
    -------
    Circuit
        Its likelihood is the weighted mean of theirs; its regions are theirs, end to end.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import log_likelihood, mixture
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> one, two = (SharpPCDensity(2, random_state=seed).fit(X).circuit_ for seed in (0, 1))
    >>> both = mixture([one, two], [0.25, 0.75])
    >>> parts = [np.exp(log_likelihood(circuit, X)) for circuit in (one, two)]
    >>> np.allclose(np.exp(log_likelihood(both, X)), 0.25 * parts[0] + 0.75 * parts[1])
    True
    """
    circuits = list(circuits)
    if not isinstance(circuits, (list, tuple)) or not circuits:
        got = "none" if isinstance(circuits, (list, tuple)) else f"a {type(circuits).__name__}"
        raise ValueError(f"circuits must be a list of one or more Circuit; got {got}.")
    for circuit in circuits:
        check_circuit(circuit, "circuits")
    for name in "n_latents", "n_features":
        found = [getattr(circuit, name) for circuit in circuits]
        if len(set(found)) > 1:
            raise ValueError(
                f"circuits must have one number of latent states and of columns; their {name} are "
                f"{found}. Fit them alike."
            )
    try:
        weights = np.ones(len(circuits)) if shares is None else np.asarray(shares, np.float64)
    except (ValueError, TypeError):
        weights = np.empty(0)
    is_share = weights.shape == (len(circuits),) and np.isfinite(weights).all()
    if not is_share or not (weights > 0).all():
        raise ValueError(
            f"shares must be {len(circuits)} positive numbers, one for each circuit; got "
            f"{shown(shares)}. Leave out circuits without a share."
        )
    return _circuits.mixture(circuits, weights / weights.max())


def to_dict(circuit: Circuit) -> dict[str, Any]:
    """The circuit as plain data, in a format that is stable and described.

    Parameters
    ----------
    circuit : Circuit
        Such as a fitted estimator's `circuit_`.

    Returns
    -------
    dict
        Of numbers, text, lists and NumPy arrays alone; see :doc:`/circuit-format` for each field.

    See Also
    --------
    from_dict : The way back, to the last bit.
    save : The same in a file.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import to_dict
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> data = to_dict(SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_)
    >>> data["parents"], data["regions"][0]["kind"]
    (array([-1,  0]), 'categorical')
    """
    check_circuit(circuit)
    data: dict[str, Any] = _copied(_circuits.to_dict(circuit))
    return data


def from_dict(data: dict[str, Any]) -> Circuit:
    """The circuit that plain data describe.

    Parameters
    ----------
    data : dict
        As `to_dict` makes it, or any other program: see :doc:`/circuit-format` for each field.
        Lists do for arrays.

    Returns
    -------
    Circuit
        With arrays of its own.

    Raises
    ------
    ValueError
        That names the field, the region and the value, if something does not fit.

    See Also
    --------
    to_dict : The way back.

    Examples
    --------
    >>> from skpc.circuit import from_dict, log_likelihood
    >>> coin = {"categories": [0, 1], "probs": [[0.25], [0.75]], "unseen": [1e-30]}
    >>> circuit = from_dict({
    ...     "format": "skpc-circuit",
    ...     "version": 1,
    ...     "parents": [-1],
    ...     "root_weights": [1.0],
    ...     "sum_weights": [[[1.0]]],
    ...     "regions": [{"features": [0], "kind": "categorical", "arrays": coin}],
    ... })
    >>> log_likelihood(circuit, [[1]]).round(3)
    array([-0.288])
    """
    return _circuits.from_dict(_copied(data))


def save(circuit: Circuit, path: str | PathLike[str]) -> None:
    """Write a circuit to a file.

    Parameters
    ----------
    circuit : Circuit
        Such as a fitted estimator's `circuit_`.
    path : str or path-like
        Ends in ``.npz``, an archive of arrays, or ``.json``, which is larger and slower and which
        every program reads. A file that is there is replaced.

    See Also
    --------
    load : The way back, to the last bit.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from skpc import SharpPCDensity
    >>> from skpc.circuit import load, log_likelihood, save
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(circuit, os.path.join(folder, "circuit.json"))
    ...     again = load(os.path.join(folder, "circuit.json"))
    >>> np.array_equal(log_likelihood(again, X), log_likelihood(circuit, X))
    True
    """
    check_circuit(circuit)
    _files.save(circuit, path)


def load(path: str | PathLike[str]) -> Circuit:
    """The circuit that `save` wrote to a file; reading runs no code of the file.

    Parameters
    ----------
    path : str or path-like
        Ends in ``.npz`` or ``.json``.

    Returns
    -------
    Circuit
        The same to the last bit.

    Raises
    ------
    ValueError
        If the file is damaged, or holds something else.

    See Also
    --------
    save : With an example.
    to_dict : What files have.

    Examples
    --------
    >>> import os, tempfile
    >>> from skpc.circuit import load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "circuit.json")
    ...     with open(path, "w") as file:
    ...         _ = file.write("{}")
    ...     load(path)
    Traceback (most recent call last):
        ...
    ValueError: ...circuit.json' holds no circuit that can be read: format must be 'skpc-circuit'...
    """
    return _files.load(path)


def _copied(data: Any) -> Any:
    """Plain data with arrays of their own."""
    if type(data) in (np.ndarray, np.memmap):
        return np.array(data)
    if isinstance(data, Mapping):
        return {key: _copied(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_copied(value) for value in data]
    return data
