"""Traces of the Hessian, where they come from, and their gradient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._passes.blocks import DEFAULT_MAX_BYTES, Memory, pattern_blocks
from skpc._passes.tangents import row_linearisations
from skpc._threads import table_work, use_threads
from skpc.curvature.parameters import ParameterVector, checked_rows, weighted_evidence, work_of


class NodeCurvature(NamedTuple):
    """Where the mean trace of the Hessian comes from, sum node by sum node.

    Entry ``[c, k]`` is that of the sum node k of region c; the root sum node's is in
    ``[roots[0], 0]``, and all other entries of roots are zero.

    Parameters
    ----------
    usage : ndarray of shape (n_regions, n_latents)
        Mean over rows of F_n^2, the squared flow through the node.
    local : ndarray of shape (n_regions, n_latents)
        Mean of t_n, ``|P_c|^2 / S_c,k^2``, the node's own curvature.
    global_ : ndarray of shape (n_regions, n_latents)
        Mean of T_n = F_n^2 t_n; the sum over all nodes is the mean trace of the Hessian.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> from skpc.curvature import node_curvature
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> node_curvature(circuit, X).local.shape
    (2, 2)
    """

    usage: np.ndarray
    local: np.ndarray
    global_: np.ndarray


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
        Of a fitted estimator: its `circuit_`.
    X : array of shape (n, n_features)
        Values as the circuit's inputs know them; NaN is summed out.
    n_jobs : int or None, default=None
        Threads; None means Numba's current number.
    max_bytes : int, default=2**30
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    ndarray of shape (n,)
        Traces, at least zero.

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
    X, _ = checked_rows(circuit, X, None)
    traces = np.empty(X.shape[0])
    with use_threads(n_jobs, table_work(X.size, circuit.n_latents)):
        for block in pattern_blocks(circuit, X, memory=Memory(max_bytes)):
            messages = block.after_upward(circuit)
            traces[block.rows] = messages.row_curvature(circuit, block.patterns)[0]
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
        Of a fitted estimator: its `circuit_`.
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
    with use_threads(n_jobs, work_of(circuit, X)):
        for _, linearisation in row_linearisations(circuit, evidence, weights, max_bytes):
            moments += linearisation.node_moments()
    return NodeCurvature(*moments / weights.sum())


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
        Of a fitted estimator: its `circuit_`.
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
    with use_threads(n_jobs, work_of(circuit, X)):
        for _, linearisation in row_linearisations(circuit, evidence, weights, max_bytes):
            part = linearisation.evidence
            tangent = linearisation.along_gradients(
                parameters.by_symbol(probs, part), with_symbols=include_inputs
            )
            inputs = parameters.of_categories(tangent.symbols, part)
            total += parameters.join(tangent.root, tangent.sums, inputs)
    return 2.0 * total / weights.sum()
