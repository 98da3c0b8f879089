"""What exact curvature costs, and whether the valleys of the likelihood are symmetric.

    python docs/benchmarks/curvature.py --data DIR [--write RESULTS.md]

DIR holds files NAME.npz with integer arrays `train` and `test`. Whole Hessians by automatic
differentiation are timed if torch or autograd can be imported, on circuits that are small enough.

Cost: circuits are chains with random weights, over 500 random binary rows; one thread. The trace
and its gradient start from the raw table at every call; the E-step and the operator keep its
patterns.

Valley: a circuit is fitted without a penalty. Weights below 0.01 are then held, since steps to
both sides must stay in the simplex, and the eigenvectors of the training Hessian with the
largest eigenvalues are found among directions of the other weights that keep distributions
normalised. Along each, L(t) is the mean negative log-likelihood, t a share of the largest step
that is possible to both sides. The rise is (L(t) + L(-t)) / 2 - L(0), the asymmetry
(L(t) - L(-t)) / (L(t) + L(-t) - 2 L(0)); without slope, 2 t L'(0) is taken from its numerator,
which leaves what no parabola has.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numba
import numpy as np
from markdown import print_header, print_row, write_table
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.exceptions import ConvergenceWarning
from throughput import seconds

from skpc import SharpPCDensity
from skpc._circuit.circuit import Circuit, random_circuit
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, Scope
from skpc._learning.em import EStep
from skpc._threads import use_threads
from skpc.curvature import (
    admissible_steps,
    directional_profile,
    gradient,
    hessian,
    hessian_operator,
    hessian_trace,
    trace_gradient,
)

try:
    import torch
except ImportError:
    torch = None
try:
    import autograd
    import autograd.numpy as autograd_numpy
except ImportError:
    autograd = None

COST_HEADER = [
    "regions",
    "K",
    "parameters",
    "ms an E-step",
    "Hessian trace",
    "product",
    "trace gradient",
    "s a Hessian",
    "by autodiff",
]
VALLEY_HEADER = [
    "data set",
    "t",
    "rise (train)",
    "asymmetry (train)",
    "without slope",
    "rise (test)",
    "asymmetry (test)",
    "without slope",
    "same sign",
]
N_ROWS = 500
LARGEST_HESSIAN = 3000  # parameters
SMALLEST_WEIGHT = 0.01


def chain_circuit(n_regions: int, n_latents: int) -> tuple[Circuit, np.ndarray, EStep]:
    """A chain with random weights, random rows, and the E-step on them."""
    X = np.random.default_rng(0).integers(0, 2, (N_ROWS, n_regions)).astype(float)
    levels = np.array([0.0, 1.0])
    scopes = [Scope(np.array([j]), CATEGORICAL, levels) for j in range(n_regions)]
    rows = Rows.encode(X, scopes, np.ones(N_ROWS)).distinct()
    parents = np.append(np.arange(1, n_regions), -1)
    circuit = random_circuit(parents, rows, n_latents, np.random.RandomState(0))
    return circuit, X, EStep(circuit, rows.evidence, rows.weights)


def mean_nll(circuit: Circuit, X: np.ndarray, module: ModuleType) -> Callable:
    """Mean of -log p of complete rows as a function of parameter vectors, written in `module`."""
    n_latents = circuit.n_latents
    probs = np.split(circuit.inputs.probs, circuit.inputs.start[1:-1])
    factors = [table[column.astype(int)] for table, column in zip(probs, X.T, strict=True)]
    if module is torch:
        factors = [torch.from_numpy(factor) for factor in factors]

    def function(vector):  # type: ignore[no-untyped-def]
        message, log_scale = factors[0], 0.0
        for r, factor in enumerate(factors[1:]):  # region r hangs below region r + 1
            first = n_latents + r * n_latents**2
            matrix = vector[first : first + n_latents**2].reshape((n_latents, n_latents))
            message = factor * (message @ matrix.T)
            scale = message.sum(1)
            message, log_scale = message / scale[:, None], log_scale + module.log(scale)
        return -module.mean(module.log(message @ vector[:n_latents]) + log_scale)

    return function


def autodiff_hessian(circuit: Circuit, X: np.ndarray) -> np.ndarray:
    """The Hessian by reverse differentiation of the gradient, column by column."""
    inner = circuit.sum_weights[circuit.parents >= 0]
    vector = np.concatenate([circuit.root_weights, inner.ravel()])
    if torch is not None:
        function = mean_nll(circuit, X, torch)
        return torch.autograd.functional.hessian(function, torch.from_numpy(vector)).numpy()
    return autograd.hessian(mean_nll(circuit, X, autograd_numpy))(vector)


def cost(n_regions: int, n_latents: int, repeats: int, limit: int) -> list[object]:
    """Time one circuit; Hessians by automatic differentiation up to `limit` parameters."""
    circuit, X, e_step = chain_circuit(n_regions, n_latents)
    operator = hessian_operator(circuit, X, n_jobs=1)
    vector = np.random.default_rng(1).normal(size=operator.shape[0])
    with use_threads(1):
        e_seconds = seconds(lambda: e_step(circuit), repeats)
    by_products = by_autodiff = "-"
    if len(vector) <= LARGEST_HESSIAN:
        start = time.perf_counter()
        ours = hessian(circuit, X, n_jobs=1)
        by_products = f"{time.perf_counter() - start:.2f}"
        if len(vector) <= limit and (torch or autograd):
            start = time.perf_counter()
            theirs = autodiff_hessian(circuit, X)
            by_autodiff = f"{time.perf_counter() - start:.2f}"
            assert np.abs(ours - theirs).max() < 1e-8 * np.abs(ours).max()
    ratios = [
        seconds(call, repeats) / e_seconds
        for call in (
            lambda: hessian_trace(circuit, X, n_jobs=1),
            lambda: operator @ vector,
            lambda: trace_gradient(circuit, X, n_jobs=1),
        )
    ]
    return [
        n_regions,
        n_latents,
        len(vector),
        f"{1e3 * e_seconds:.2f}",
        *(f"{ratio:.1f}" for ratio in ratios),
        by_products,
        by_autodiff,
    ]


def restricted(operator: LinearOperator, circuit: Circuit) -> LinearOperator:
    """The Hessian among directions that hold small weights, and keep rows' sums."""
    rows = np.concatenate([circuit.root_weights[None], *circuit.sum_weights[circuit.parents >= 0]])
    is_free = rows > SMALLEST_WEIGHT
    n_free = np.maximum(is_free.sum(axis=1, keepdims=True), 1)

    def project(vector: np.ndarray) -> np.ndarray:
        values = vector.reshape(rows.shape) * is_free
        return ((values - values.sum(axis=1, keepdims=True) / n_free) * is_free).ravel()

    return LinearOperator(
        operator.shape, matvec=lambda v: project(operator @ project(v.ravel())), dtype=float
    )


def asymmetries(
    circuit: Circuit, X: np.ndarray, directions: np.ndarray, shares: list[float]
) -> np.ndarray:
    """Rise, asymmetry and asymmetry without slope (n_directions, n_shares, 3)."""
    out = np.empty((len(directions), len(shares), 3))
    slopes = directions @ gradient(circuit, X)
    for direction, slope, row in zip(directions, slopes, out, strict=True):
        low, high = admissible_steps(circuit, direction)
        steps = np.array(shares) * min(-low, high)
        profile = directional_profile(
            circuit, X, direction, np.concatenate([steps, -steps, np.zeros(1)])
        )
        n_steps = len(steps)
        ahead, behind, here = profile[:n_steps], profile[n_steps:-1], profile[-1]
        even, odd = ahead + behind - 2 * here, ahead - behind
        row[:] = np.stack([even / 2, odd / even, (odd - 2 * steps * slope) / even], axis=1)
    return out


def valley(
    path: Path, n_latents: int, k: int, max_iter: int, shares: list[float]
) -> list[list[object]]:
    """Fit one data set, and measure along the steepest directions of its training Hessian."""
    with np.load(path) as arrays:
        train, test = arrays["train"].astype(float), arrays["test"].astype(float)
    model = SharpPCDensity(n_latents, mu=0.0, max_iter=max_iter, tol=1e-7, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        circuit = model.fit(train).circuit_
    operator = restricted(hessian_operator(circuit, train), circuit)
    start = np.random.default_rng(0).normal(size=operator.shape[0])
    _, vectors = eigsh(operator, k, which="LA", v0=start, tol=1e-6)
    on_train, on_test = (asymmetries(circuit, X, vectors.T, shares) for X in (train, test))
    rows = []
    for i, share in enumerate(shares):
        row: list[object] = [path.stem, share]
        for found in on_train, on_test:
            rise, asymmetry, cubic = np.median(np.abs(found[:, i]), axis=0)
            row += [f"{rise:.2g}", f"{asymmetry:.2f}", f"{cubic:.2f}"]
        same = (np.sign(on_train[:, i, 2]) == np.sign(on_test[:, i, 2])).sum()
        rows.append([*row, f"{same} of {k}"])
    return rows


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of NAME.npz files")
    parser.add_argument("--datasets", nargs="+", default=["nltcs", "dna"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[4, 8, 16, 32, 64, 128, 256])
    parser.add_argument("--n-latents", nargs="+", type=int, default=[4, 8, 16, 32, 64])
    parser.add_argument("--autodiff-limit", type=int, default=1000, help="parameters")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--eigenvectors", type=int, default=20)
    parser.add_argument("--max-iter", type=int, default=1000)
    parser.add_argument("--write", type=Path, help="document to write the tables to")
    options = parser.parse_args()
    name = "torch" if torch else "autograd" if autograd else "none"
    machine = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, Numba {numba.__version__}; autodiff: {name}; medians of "
        f"{options.repeats}, Hessians once."
    )
    print(machine, "\n")
    lines = print_header(COST_HEADER)
    sizes = [(length, 8) for length in options.lengths] + [(16, K) for K in options.n_latents]
    for n_regions, n_latents in sizes:
        row = cost(n_regions, n_latents, options.repeats, options.autodiff_limit)
        lines.append(print_row(row))
    if options.write:
        write_table(options.write, "curvature-cost", [*lines, "", machine])
    print()
    lines = print_header(VALLEY_HEADER)
    for dataset in options.datasets:
        rows = valley(
            options.data / f"{dataset}.npz", 8, options.eigenvectors, options.max_iter,
            [0.1, 0.3, 0.6, 0.9],
        )  # fmt: skip
        lines += [print_row(row) for row in rows]
    if options.write:
        note = f"K = 8, {options.eigenvectors} eigenvectors."
        write_table(options.write, "valley", [*lines, "", note])


if __name__ == "__main__":
    main()
