"""Exact curvature of the log-likelihood of a circuit in its sum weights."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, issparse

from skpc._circuit import Circuit
from skpc._flows import DEFAULT_MAX_BYTES, Messages, row_blocks
from skpc._patterns import link_patterns, row_codes
from skpc._threads import table_work, use_threads

__all__ = ["hessian_trace"]


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
