"""Gradient and Hessian of the mean negative log-likelihood: see `skpc.curvature`."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from skpc._checks import shown
from skpc._circuit.circuit import Circuit
from skpc._data.evidence import Evidence
from skpc._passes.blocks import DEFAULT_MAX_BYTES, Memory, pattern_blocks
from skpc._passes.tangents import Buffers, Linearisation
from skpc._threads import use_threads
from skpc.curvature.parameters import ParameterVector, weighted_evidence, work_of


class HessianSpectrum(NamedTuple):
    """Some eigenvalues of a Hessian.

    Parameters
    ----------
    eigenvalues : ndarray of shape (k,)
        Descending.
    eigenvectors : ndarray of shape (P, k)
        Of unit length, one per column; the largest entry of each is positive.
    residuals : ndarray of shape (k,)
        Length of H v - lambda v.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import hessian_spectrum
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> spectrum = hessian_spectrum(circuit, X, 2)
    >>> spectrum.eigenvectors.shape
    (6, 2)
    >>> bool((spectrum.residuals < 1e-6).all())
    True
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    residuals: np.ndarray


class MeanHessian:
    """The Hessian of the weighted mean of -log p, to multiply vectors with.

    Where all messages fit in `max_bytes` the likelihood is linearised once, at the first
    product; else block by block at every call.
    """

    def __init__(
        self, parameters: ParameterVector, evidence: Evidence, weights: np.ndarray, max_bytes: int
    ) -> None:
        circuit = parameters.circuit
        self.parameters = parameters
        self._total = weights.sum()
        memory = Memory(max_bytes, Linearisation.bytes_per_row(circuit.n_latents))
        self._blocks = list(pattern_blocks(circuit, evidence, weights, memory))
        self._buffers = Buffers(circuit.n_regions, circuit.n_latents)
        self._kept: Linearisation | None = None

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Multiply the rows of `vectors` (m, P); returns (m, P)."""
        parameters = self.parameters
        circuit = parameters.circuit
        out = np.zeros(vectors.shape)
        for _, evidence, patterns in self._blocks:
            linearisation = self._kept or Linearisation(circuit, evidence, patterns, self._buffers)
            if len(self._blocks) == 1:
                self._kept = linearisation
            for vector, product in zip(vectors, out, strict=True):
                root, sums, probs = parameters.split(vector)
                if probs is not None:
                    probs = probs / circuit.inputs.probs
                tangent = linearisation.along(
                    root,
                    sums,
                    parameters.by_symbol(probs, evidence),
                    with_symbols=parameters.include_inputs,
                )
                inputs = parameters.of_categories(tangent.symbols, evidence)
                product -= parameters.join(tangent.root, tangent.sums, inputs)
        out /= self._total
        return out


def gradient(
    circuit: Circuit,
    X: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    include_inputs: bool = False,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    r"""Gradient of the mean negative log-likelihood, in nats per row.

    Parameters
    ----------
    circuit : Circuit
        Of a fitted estimator: its `circuit_`.
    X : array or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
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
    ndarray of shape (P,)
        A parameter vector; see `skpc.curvature`.

    Notes
    -----
    An E-step finds it: with N the mean expected count of an edge and W its weight,

    .. math:: \partial / \partial W = -N / W .

    References
    ----------
    R. Peharz et al., "Einsum Networks: Fast and Scalable Learning of Tractable Probabilistic
    Circuits", ICML 2020, Section 3.5: expected counts as derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import gradient
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> gradient(circuit, X).shape  # two root weights, one matrix
    (6,)
    """
    parameters = ParameterVector(circuit, include_inputs)
    evidence, weights = weighted_evidence(circuit, X, sample_weight)
    counts = np.zeros(parameters.size)
    with use_threads(n_jobs, work_of(circuit, X)):
        for block in pattern_blocks(circuit, evidence, weights, Memory(max_bytes)):
            messages = block.after_upward(circuit)
            found = messages.downward(circuit, block.evidence, block.patterns)
            counts += parameters.join(found.root, found.sums, found.inputs[0])
    return -counts / parameters.values / weights.sum()


def hessian_vector_product(
    circuit: Circuit,
    X: np.ndarray,
    v: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    include_inputs: bool = False,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    r"""Multiply the Hessian of the mean negative log-likelihood with vectors, exactly.

    Parameters
    ----------
    circuit : Circuit
        Of a fitted estimator: its `circuit_`.
    X : array or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
    v : array of shape (P,) or (P, m)
        A parameter vector, or several as columns; see `skpc.curvature`.
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
    ndarray of the shape of v
        In nats per row and unit of v.

    See Also
    --------
    hessian_operator : For products one after the other.

    Notes
    -----
    Both passes are differentiated along v, over the patterns of subtrees: with V the part of
    v at an edge, a = F / S and dots for derivatives,

    .. math::
        \dot S = V P + W \dot P, \quad \dot P / P = \sum \dot S / S, \quad
        \partial_v (\partial \log p / \partial W) = \dot a^T P + a^T \dot P .

    One product costs about two E-steps, whatever the circuit.

    References
    ----------
    B. A. Pearlmutter, "Fast Exact Multiplication by the Hessian", Neural Computation, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import hessian, hessian_vector_product
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> v = np.arange(6.0)
    >>> np.allclose(hessian_vector_product(circuit, X, v), hessian(circuit, X) @ v)
    True
    """
    parameters = ParameterVector(circuit, include_inputs)
    v = parameters.check(v, "v")
    evidence, weights = weighted_evidence(circuit, X, sample_weight)
    with use_threads(n_jobs, work_of(circuit, X)):
        product = MeanHessian(parameters, evidence, weights, max_bytes)
        rows = np.ascontiguousarray(v.T if v.ndim == 2 else v[None])
        out = product(rows)
    return out.T if v.ndim == 2 else out[0]


def hessian_operator(
    circuit: Circuit,
    X: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    include_inputs: bool = False,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> LinearOperator:
    """The Hessian of the mean negative log-likelihood as a linear operator of SciPy.

    It keeps the messages of X between products: `hessian_vector_product` for iterative
    methods. Where they need more than `max_bytes`, each product computes them again.

    Parameters
    ----------
    circuit : Circuit
        Of a fitted estimator: its `circuit_`.
    X : array or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
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
    LinearOperator of shape (P, P)
        Symmetric; see `skpc.curvature` for the order of parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import hessian_operator, hessian_vector_product
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> H = hessian_operator(circuit, X)
    >>> np.array_equal(H @ np.ones(6), hessian_vector_product(circuit, X, np.ones(6)))
    True
    """
    parameters = ParameterVector(circuit, include_inputs)
    evidence, weights = weighted_evidence(circuit, X, sample_weight)
    work = work_of(circuit, X)
    with use_threads(n_jobs, work):
        product = MeanHessian(parameters, evidence, weights, max_bytes)

    def multiply(vectors: np.ndarray) -> np.ndarray:
        columns = np.asarray(vectors, dtype=np.float64).reshape(parameters.size, -1)
        with use_threads(n_jobs, work):
            return product(np.ascontiguousarray(columns.T)).T.reshape(vectors.shape)

    return LinearOperator(
        (parameters.size, parameters.size),
        matvec=multiply,
        rmatvec=multiply,
        matmat=multiply,
        rmatmat=multiply,
        dtype=np.float64,
    )


def hessian(
    circuit: Circuit,
    X: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    include_inputs: bool = False,
    max_parameters: int = 5000,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """The whole Hessian of the mean negative log-likelihood, by P products.

    Parameters
    ----------
    circuit : Circuit
        Of a fitted estimator: its `circuit_`.
    X : array or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
    sample_weight : array of shape (n,), optional
        Weights of the rows in the mean, default ones.
    include_inputs : bool, default=False
        Whether the categories' probabilities are parameters too.
    max_parameters : int, default=5000
        Refuse larger ones: they need eight bytes for every pair of parameters.
    n_jobs : int or None, default=None
        Threads; None means Numba's current number. They do not change a bit of the result.
    max_bytes : int, default=2**30
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    ndarray of shape (P, P)
        Symmetric, in nats per row; see `skpc.curvature` for the order of parameters.

    Raises
    ------
    ValueError
        If the circuit has more than `max_parameters` parameters.

    Notes
    -----
    Each column is an exact Hessian-vector product, so all P of them cost O(P) E-steps: a
    polynomial in the size of the circuit and the number of patterns.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import hessian, hessian_trace
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> trace = np.trace(hessian(circuit, X))
    >>> bool(np.isclose(trace, hessian_trace(circuit, X).mean()))
    True
    """
    size = ParameterVector(circuit, include_inputs).size
    if size > max_parameters:
        raise ValueError(
            f"the Hessian of {size} parameters needs {8 * size**2 / 2**30:.1f} GiB and {size} "
            f"Hessian-vector products, and max_parameters={max_parameters}. Use "
            "hessian_operator or hessian_spectrum, which never form it, or raise max_parameters."
        )
    columns = hessian_vector_product(
        circuit, X, np.eye(size), sample_weight=sample_weight, include_inputs=include_inputs,
        n_jobs=n_jobs, max_bytes=max_bytes,
    )  # fmt: skip
    return (columns + columns.T) / 2.0


def hessian_spectrum(
    circuit: Circuit,
    X: np.ndarray,
    k: int = 10,
    *,
    which: str = "LA",
    tol: float = 1e-8,
    random_state: int = 0,
    **operator_options: Any,
) -> HessianSpectrum:
    """The largest eigenvalues of the Hessian of the mean negative log-likelihood, and vectors.

    Parameters
    ----------
    circuit : Circuit
        Of a fitted estimator: its `circuit_`.
    X : array or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
    k : int, default=10
        Number of eigenvalues, at most P.
    which : {"LA", "LM"}, default="LA"
        The largest, or the largest in magnitude: the Hessian has negative ones too.
    tol : float, default=1e-8
        Relative accuracy of the eigenvalues; zero is machine precision.
    random_state : int, default=0
        Seed of the vector that the Lanczos iteration starts from.
    **operator_options
        `sample_weight`, `include_inputs`, `n_jobs` and `max_bytes`, as in `hessian_operator`.

    Returns
    -------
    HessianSpectrum
        `eigenvalues` (k,), `eigenvectors` (P, k) and `residuals` (k,).

    Raises
    ------
    ValueError
        If `k` or `which` cannot be, or the iteration does not converge.

    References
    ----------
    R. B. Lehoucq, D. C. Sorensen and C. Yang, *ARPACK Users' Guide*, SIAM 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import hessian, hessian_spectrum
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> eigenvalues = hessian_spectrum(circuit, X, k=2).eigenvalues
    >>> np.allclose(eigenvalues, np.linalg.eigvalsh(hessian(circuit, X))[:-3:-1])
    True
    """
    if which not in ("LA", "LM"):
        raise ValueError(f"which must be 'LA' or 'LM'; got {shown(which)}.")
    operator = hessian_operator(circuit, X, **operator_options)
    size = operator.shape[0]
    if not isinstance(k, Integral) or not 1 <= k <= size:
        raise ValueError(
            f"k must be an integer from 1 to the number of parameters, {size}; got {shown(k)}."
        )
    if size <= max(2 * k + 1, 20):  # Lanczos would span the whole space
        eigenvalues, vectors = np.linalg.eigh(operator @ np.eye(size))
        keys = eigenvalues if which == "LA" else np.abs(eigenvalues)
        chosen = np.argsort(keys, kind="stable")[-k:]
        eigenvalues, vectors = eigenvalues[chosen], vectors[:, chosen]
    else:
        start = np.random.RandomState(random_state).standard_normal(size)
        try:
            eigenvalues, vectors = eigsh(operator, k, which=which, v0=start, tol=tol)
        except ArpackNoConvergence as error:
            raise ValueError(
                f"Lanczos found {len(error.eigenvalues)} of k={k} eigenvalues to tol={tol}. "
                "Raise tol, or ask for fewer."
            ) from error
    order = np.argsort(-eigenvalues, kind="stable")
    eigenvalues, vectors = eigenvalues[order], vectors[:, order]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.where(vectors[largest, np.arange(k)] < 0.0, -1.0, 1.0)
    residuals = np.linalg.norm(operator @ vectors - eigenvalues * vectors, axis=0)
    return HessianSpectrum(eigenvalues, vectors, residuals)
