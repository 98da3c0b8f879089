"""Exact curvature of the log-likelihood of a circuit in its parameters.

Parameters are taken as free numbers: the simplex is left out of account except where a
function says so. In a *parameter vector* (P,) come the root weights (n_roots * K), then the
(K, K) matrices of the regions that are no roots, in the order of regions, row-major; then,
with ``include_inputs=True``, ``circuit.inputs.probs.ravel()``, the categories' probabilities.
Gaussian inputs, and what is given to missing and unseen values, are constants. Hessians and
gradients are of the weighted mean over rows of -log p, in nats.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, issparse
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from skpc._circuit import Circuit
from skpc._flows import DEFAULT_MAX_BYTES, Messages, log_likelihood, pattern_blocks, row_blocks
from skpc._hessian import MeanHessian, ParameterVector, checked_rows, weighted_evidence
from skpc._patterns import link_patterns, row_codes
from skpc._tangents import row_linearisations
from skpc._threads import table_work, use_threads

__all__ = [
    "HessianSpectrum",
    "NodeCurvature",
    "admissible_steps",
    "directional_profile",
    "gradient",
    "hessian",
    "hessian_operator",
    "hessian_spectrum",
    "hessian_trace",
    "hessian_vector_product",
    "node_curvature",
    "project_direction",
    "trace_gradient",
]


class NodeCurvature(NamedTuple):
    """Where the mean trace of the Hessian comes from, sum node by sum node.

    Entry ``[c, k]`` is that of the sum node k of region c; the root sum node's is in
    ``[roots[0], 0]``, and all other entries of roots are zero.

    Attributes
    ----------
    usage : ndarray of shape (n_regions, n_latents)
        Mean over rows of F_n^2, the squared flow through the node.
    local : ndarray of shape (n_regions, n_latents)
        Mean of t_n = |P_c|^2 / S_c,k^2, the node's own curvature.
    global_ : ndarray of shape (n_regions, n_latents)
        Mean of T_n = F_n^2 t_n; the sum over all nodes is the mean trace of the Hessian.
    """

    usage: np.ndarray
    local: np.ndarray
    global_: np.ndarray


class HessianSpectrum(NamedTuple):
    """Some eigenvalues of a Hessian.

    Attributes
    ----------
    eigenvalues : ndarray of shape (k,)
        Descending.
    eigenvectors : ndarray of shape (P, k)
        Of unit length, one a column; the largest entry of each is positive.
    residuals : ndarray of shape (k,)
        Length of H v - lambda v.
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    residuals: np.ndarray


def hessian_trace(
    circuit: Circuit,
    X: np.ndarray,
    *,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    r"""Trace of the Hessian of the negative log-likelihood of each row.

    Over all sum weights, the root's included, taken as free parameters. The circuit is
    multilinear in them, so the trace is the sum of squared first derivatives of log p:
    exact, non-negative, and found in one upward and one downward pass.

    Parameters
    ----------
    circuit : Circuit
    X : array of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
    n_jobs : int or None, default=None
        Threads; None means Numba's current number.
    max_bytes : int, default=2**30
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    ndarray of shape (n,)

    Notes
    -----
    With S and P the values of sum and product nodes and F the flow into a sum node,

    .. math:: T(x) = \sum_{c,k} (F_{v,k} / S_{c,k})^2 |P_c|^2 + |P_{root}|^2 / p(x)^2 .

    Summed flows do not determine it: it is evaluated row by row, never on a batch's sum.

    References
    ----------
    H. Suresh et al., "Tractable Sharpness-Aware Learning of Probabilistic Circuits",
    AAAI 2026, Proposition 4.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import hessian_trace
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
    >>> bool((hessian_trace(model.circuit_, X) >= 0).all())
    True
    """
    X = csr_array(X) if issparse(X) else np.asarray(X)
    n_latents = circuit.n_latents
    traces = np.empty(X.shape[0])
    bytes_per_row = circuit.n_regions * (Messages.bytes_per_row(n_latents) + 16)
    with use_threads(n_jobs, table_work(X.size, n_latents)):
        for rows in row_blocks(X.shape[0], bytes_per_row, max_bytes):
            evidence = circuit.inputs.encode(X[rows])
            symbols, n_symbols = evidence.dense_symbols, evidence.n_symbols
            codes, n_patterns = row_codes(circuit.parents, symbols, n_symbols)
            patterns = link_patterns(circuit.parents, symbols, n_symbols, codes, n_patterns)
            messages = Messages(patterns.n_message_rows, circuit.n_regions, n_latents)
            messages.upward(circuit, evidence, patterns)
            traces[rows] = messages.row_curvature(circuit, patterns, codes)[0]
    return traces


def node_curvature(
    circuit: Circuit,
    X: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> NodeCurvature:
    r"""Split the mean trace of the Hessian into what each sum node adds.

    Parameters
    ----------
    circuit : Circuit
    X : array or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
    sample_weight : array of shape (n,), optional
        Weights of the rows in the mean, default ones.
    n_jobs : int or None, default=None
        Threads; None means Numba's current number. They do not change a bit of the result.
    max_bytes : int, default=2**30
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    NodeCurvature
        `usage`, `local` and `global_`, each of shape (n_regions, n_latents).

    Notes
    -----
    The derivative of log p by the weight of an edge from sum node n to product node c is
    F_n P_c / S_n. Squared and summed over a node's edges,

    .. math:: T_n(x) = F_n(x)^2 t_n(x), \quad t_n(x) = \sum_c (P_c(x) / S_n(x))^2 .

    The means of the factors do not determine the mean of the product.

    References
    ----------
    H. Suresh et al., "A Compositional Theory of Curvature in Probabilistic Circuits", 2026,
    Theorem 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import hessian_trace, node_curvature
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> nodes = node_curvature(circuit, X)
    >>> bool(np.isclose(nodes.global_.sum(), hessian_trace(circuit, X).mean()))
    True
    """
    evidence, weights = weighted_evidence(circuit, X, sample_weight)
    moments = np.zeros((3, circuit.n_regions, circuit.n_latents))
    with use_threads(n_jobs, _work(circuit, X)):
        for _, linearisation in row_linearisations(circuit, evidence, weights, max_bytes):
            moments += linearisation.node_moments()
    return NodeCurvature(*moments / weights.sum())


def gradient(
    circuit: Circuit,
    X: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    include_inputs: bool = False,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    r"""Gradient of the mean negative log-likelihood, in nats a row.

    Parameters
    ----------
    circuit : Circuit
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
    n_latents = circuit.n_latents
    per_row = Messages.bytes_per_row(n_latents)
    counts = np.zeros(parameters.size)
    with use_threads(n_jobs, _work(circuit, X)):
        for _, part, patterns in pattern_blocks(
            circuit.parents, evidence, weights, per_row, max_bytes
        ):
            messages = Messages(patterns.n_message_rows, circuit.n_regions, n_latents)
            messages.upward(circuit, part, patterns)
            found = messages.downward(circuit, part, patterns)
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
        In nats a row and unit of v.

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
    with use_threads(n_jobs, _work(circuit, X)):
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
    work = _work(circuit, X)
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


def trace_gradient(
    circuit: Circuit,
    X: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    include_inputs: bool = False,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    r"""Gradient of the mean trace of the Hessian of the negative log-likelihood.

    Parameters
    ----------
    circuit : Circuit
    X : array or sparse matrix of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
    sample_weight : array of shape (n,), optional
        Weights of the rows in the mean, default ones.
    include_inputs : bool, default=False
        Whether the categories' probabilities are parameters too, in trace and gradient.
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
    The trace of a row is the square of its gradient g of log p, and the Hessian of -log p is
    H, so the gradient of the mean trace R is

    .. math:: \nabla R = -2 \, \mathrm{mean}_x \, H(x) g(x) :

    a Hessian-vector product with a direction of its own for every row. It is not a function
    of summed flows, so distinct rows take the place of patterns.

    References
    ----------
    H. Suresh et al., "Tractable Sharpness-Aware Learning of Probabilistic Circuits",
    AAAI 2026: the trace as a penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import trace_gradient
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> trace_gradient(circuit, X).shape
    (6,)
    """
    parameters = ParameterVector(circuit, include_inputs)
    evidence, weights = weighted_evidence(circuit, X, sample_weight)
    total = np.zeros(parameters.size)
    probs = circuit.inputs.probs**-2.0 if include_inputs else None
    with use_threads(n_jobs, _work(circuit, X)):
        for _, linearisation in row_linearisations(circuit, evidence, weights, max_bytes):
            part = linearisation.evidence
            tangent = linearisation.along_gradients(
                parameters.by_symbol(probs, part), with_symbols=include_inputs
            )
            inputs = parameters.of_categories(tangent.symbols, part)
            total += parameters.join(tangent.root, tangent.sums, inputs)
    return 2.0 * total / weights.sum()


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
        Symmetric, in nats a row; see `skpc.curvature` for the order of parameters.

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
    sample_weight: np.ndarray | None = None,
    include_inputs: bool = False,
    n_jobs: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> HessianSpectrum:
    """The largest eigenvalues of the Hessian of the mean negative log-likelihood, and vectors.

    Parameters
    ----------
    circuit : Circuit
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
        raise ValueError(f"which must be 'LA' or 'LM'; got {which!r}.")
    operator = hessian_operator(
        circuit, X, sample_weight=sample_weight, include_inputs=include_inputs, n_jobs=n_jobs,
        max_bytes=max_bytes,
    )  # fmt: skip
    size = operator.shape[0]
    if not 1 <= k <= size:
        raise ValueError(f"k must be between 1 and the number of parameters, {size}; got {k}.")
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


def project_direction(
    circuit: Circuit, direction: np.ndarray, *, include_inputs: bool = False
) -> np.ndarray:
    """The part of a direction that keeps every distribution's sum at one.

    From the root weights, from each row of the sum weights and from each state's
    probabilities of a column's categories, the mean is subtracted: an orthogonal projection.

    Parameters
    ----------
    circuit : Circuit
    direction : array of shape (P,)
        A parameter vector; see `skpc.curvature`.
    include_inputs : bool, default=False
        Whether the categories' probabilities are parameters too.

    Returns
    -------
    ndarray of shape (P,)

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
    direction : array of shape (P,)
        A parameter vector, which is projected; see `project_direction`.
    include_inputs : bool, default=False
        Whether the categories' probabilities are parameters too.

    Returns
    -------
    low, high : float
        Infinite if the projection is zero.

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
        In nats a row.

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
    share = weights / weights.sum()
    with use_threads(n_jobs, _work(circuit, X)):
        return np.array(
            [
                -share @ log_likelihood(parameters.moved(step * projected), X, max_bytes=max_bytes)
                for step in steps
            ]
        )


def _work(circuit: Circuit, X: Any) -> int:
    """See `skpc._threads.use_threads`."""
    return table_work(int(np.prod(np.shape(X))), circuit.n_latents)


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
