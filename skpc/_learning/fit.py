"""Learning a circuit from a matrix: evidence, structure, and a solver from several starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.gaussian import centre_and_scales
from skpc._data.distinct import distinct_rows, pack
from skpc._data.evidence import Evidence, encode
from skpc._data.sparse_symbols import take_rows
from skpc._learning.held_out import held_out_weights
from skpc._learning.initialisation import draw_starts, learn_trees
from skpc._learning.progress import FitResult, Progress
from skpc._learning.solver import Solver
from skpc._learning.structure import Regions, Structure, learn_structure
from skpc._passes.likelihood import MeanLogLikelihood


@dataclass(frozen=True)
class EarlyStopping:
    """Which rows EM is validated on, and what follows from it.

    Attributes
    ----------
    X, weights : (n, n_features) array or sparse matrix, and (n,) positive; or None
        The rows; None holds some out of those to learn from.
    fraction : float
        Share of the rows to hold out.
    seed : int or None
        Of that draw; None if `X` is given.
    n_iter_no_change : int
        See `skpc._learning.progress.Progress`.
    refit : bool
        Whether to learn again, from all rows, with as many updates as were best, if rows
        were held out.
    is_optional : bool
        Whether to do without where no rows can be held out, rather than to raise.
    """

    X: Any | None
    weights: np.ndarray | None
    fraction: float
    seed: int | None
    n_iter_no_change: int
    refit: bool
    is_optional: bool = False


class Margins(NamedTuple):
    """Means and standard deviations (n_features,) of continuous columns; of others 0 and 1."""

    centres: np.ndarray
    scales: np.ndarray


def learn_circuit(
    X: Any,
    categories: Sequence[np.ndarray | None],
    weights: np.ndarray,
    solver: Solver,
    *,
    start: Circuit | None,
    structure: Structure,
    n_latents: int,
    init: str,
    n_init: int,
    shrinkage: float,
    random_state: np.random.RandomState,
    is_binomial: np.ndarray | None = None,
    margins: Margins | None = None,
    share_scales: bool = False,
    early_stopping: EarlyStopping | None = None,
    on_iteration: Callable[[int, float, float | None], None] | None = None,
) -> FitResult:
    """Learn structure and parameters; of several starts and solvers keep the best.

    Parameters
    ----------
    X : (n, n_features) array or sparse matrix, NaN missing
    categories : per column, its sorted categories, or None if it is continuous
    weights : (n,) positive
    solver : Solver
    start : Circuit or None
        Where to go on from, with its structure; None learns the structure and draws
        `n_init` starts.
    structure : Structure
    n_latents, init, n_init, shrinkage, random_state : see `SharpPCDensity`
    is_binomial : (n_features,) bool or None
        Whether the categories of a column are levels; None if none are.
    margins : Margins or None
        Of a table of which X is a part: then columns may have no value in X, and every state has
        these margins there, or as many of one category as of another. None: all have a value.
    share_scales : bool
        Whether floor and shrinkage refer to the scales of `margins`, not to those of X.
    early_stopping : EarlyStopping or None
        None goes by the training log-likelihood.
    on_iteration : see `skpc._learning.progress.Progress`
    """
    rows = _distinct(X, categories, weights)
    (evidence, weights_left), held_out = _training_and_validation(rows, categories, early_stopping)
    is_empty = _without_value(*rows)
    trees = [] if start is not None else learn_trees(
        evidence, weights_left, categories, structure, solver, n_latents=n_latents,
        shrinkage=shrinkage, random_state=random_state, is_binomial=is_binomial,
    )  # fmt: skip
    before = random_state.get_state()
    found = []
    for candidate in solver.candidates(weights_left, held_out is not None):
        random_state.set_state(before)  # as if there were no other
        starts = [start] if start is not None else draw_starts(
            evidence, trees, categories, candidate, n_latents=n_latents, init=init,
            n_init=n_init, shrinkage=shrinkage, random_state=random_state,
            is_binomial=is_binomial,
        )  # fmt: skip
        if margins is not None and start is None:
            if share_scales:
                starts = [replace(c, inputs=c.inputs.with_scales(margins.scales)) for c in starts]
            starts = [replace(c, inputs=c.inputs.with_margins(is_empty, *margins)) for c in starts]
        result, best = _learn_parameters(
            starts, candidate, (evidence, weights_left), held_out, early_stopping,
            random_state, on_iteration,
        )  # fmt: skip
        found.append((result, best, candidate, random_state.get_state()))
    result, start, solver, after = max(found, key=lambda one: one[0].score)
    random_state.set_state(after)
    is_split = held_out is not None and early_stopping is not None and early_stopping.X is None
    if not is_split or early_stopping is None or not early_stopping.refit:
        return result
    refitted = learn_circuit(
        X, categories, weights,
        replace(solver, max_iter=max(1, result.best_iteration or 0), tol=0.0),
        start=start, structure=structure, n_latents=n_latents, init="random",
        n_init=1, shrinkage=shrinkage, random_state=random_state, is_binomial=is_binomial,
        on_iteration=on_iteration,
    )  # fmt: skip
    return replace(result, circuit=refitted.circuit, log_likelihoods=refitted.log_likelihoods)


def _learn_parameters(
    starts: Sequence[Circuit],
    solver: Solver,
    rows: tuple[Evidence, np.ndarray],
    held_out: tuple[Evidence, np.ndarray] | None,
    early_stopping: EarlyStopping | None,
    random_state: np.random.RandomState,
    on_iteration: Callable[[int, float, float | None], None] | None,
) -> tuple[FitResult, Circuit]:
    """Learn from several starts of one structure; the best result and the start it is from."""
    evidence, weights = rows
    features = starts[0].features
    validation = None
    if held_out is not None:
        validation = MeanLogLikelihood(
            starts[0], held_out[0].grouped(features), held_out[1], max_bytes=solver.max_bytes
        )
    learn = solver.bind(starts[0], evidence.grouped(features), weights, random_state)
    results = []
    for circuit in starts:
        progress = Progress(
            circuit,
            tol=solver.tol,
            validation=validation,
            n_iter_no_change=early_stopping.n_iter_no_change if early_stopping else 1,
            on_iteration=on_iteration,
        )
        results.append((replace(learn(circuit, progress), mu=solver.m_step.mu), circuit))
    return max(results, key=lambda one: one[0].score)


def learn_regions(
    X: Any,
    categories: Sequence[np.ndarray | None],
    weights: np.ndarray,
    structure: Structure,
    *,
    n_latents: int,
    pseudocount: float,
    random_state: np.random.RandomState,
) -> Regions:
    """Learn only the structure; see `learn_circuit` and `learn_structure`."""
    evidence, weights = _distinct(X, categories, weights)
    return learn_structure(evidence, weights, structure, n_latents, pseudocount, random_state)


def canonical_order(X: Any, categories: Sequence[np.ndarray | None]) -> np.ndarray:
    """The order (n,) of rows by what they show: by ranks of values, in whatever units they are."""
    evidence = encode(X, [np.array([j]) for j in range(X.shape[1])], categories)
    return np.lexsort(pack(evidence.symbols, evidence.n_symbols)[::-1])


def column_margins(X: Any, categories: Sequence[np.ndarray | None], weights: np.ndarray) -> Margins:
    """Mean and standard deviation of each continuous column of X."""
    evidence, weights = _distinct(X, categories, weights)
    margins = Margins(np.zeros(len(categories)), np.ones(len(categories)))
    with np.errstate(under="ignore"):  # of subnormal numbers
        for j, vectors in enumerate(evidence.values):
            if vectors is not None:
                centre, scale = centre_and_scales(vectors, evidence.weights_of(j, weights))
                margins.centres[j], margins.scales[j] = centre[0], scale[0]
    return margins


def _without_value(evidence: Evidence, weights: np.ndarray) -> np.ndarray:
    """Which regions (n_regions,), of one column each, show nothing in any row."""
    is_empty = np.zeros(len(evidence.n_symbols), bool)
    for j, vectors in enumerate(evidence.values):
        if vectors is None:
            is_empty[j] = not evidence.weights_of(j, weights)[:-2].any()
        else:
            is_empty[j] = np.isnan(vectors).all()
    return is_empty


def _training_and_validation(
    rows: tuple[Evidence, np.ndarray],
    categories: Sequence[np.ndarray | None],
    early_stopping: EarlyStopping | None,
) -> tuple[tuple[Evidence, np.ndarray], tuple[Evidence, np.ndarray] | None]:
    """Distinct rows and weights to learn from, and those to validate on."""
    if early_stopping is None:
        return rows, None
    if early_stopping.X is not None and early_stopping.weights is not None:
        return rows, _distinct(early_stopping.X, categories, early_stopping.weights)
    assert early_stopping.seed is not None
    try:
        return _split(*rows, early_stopping.fraction, early_stopping.seed)
    except ValueError:
        if early_stopping.is_optional:
            return rows, None
        raise


def _distinct(
    X: Any, categories: Sequence[np.ndarray | None], weights: np.ndarray
) -> tuple[Evidence, np.ndarray]:
    """Evidence of the distinct rows of X, one region a column, and their weights."""
    evidence = encode(X, [np.array([j]) for j in range(X.shape[1])], categories)
    symbols, weights = distinct_rows(evidence.symbols, evidence.n_symbols, weights)
    return evidence.with_symbols(symbols), weights


def _split(
    evidence: Evidence, weights: np.ndarray, fraction: float, seed: int
) -> tuple[tuple[Evidence, np.ndarray], tuple[Evidence, np.ndarray]]:
    """Distinct rows to learn from and to validate on: a row may be among both.

    A continuous column keeps its values in training if all of them were drawn.
    """
    held_out = held_out_weights(weights, fraction, seed)
    for region, vectors in enumerate(evidence.values):
        if vectors is not None:
            seen = ~np.isnan(evidence.column(region))
            if not (held_out[seen] < weights[seen]).any():
                held_out[seen] = 0.0
    if not held_out.any():
        raise ValueError(
            f"early_stopping=True found no row to hold out by validation_fraction={fraction}: a "
            "continuous column has values in these rows alone. Drop the column, pass rows to "
            "validate on as X_val, or set early_stopping=False."
        )

    def part(part_weights: np.ndarray) -> tuple[Evidence, np.ndarray]:
        rows = np.flatnonzero(part_weights)
        return evidence.with_symbols(take_rows(evidence.symbols, rows)), part_weights[rows]

    return part(weights - held_out), part(held_out)
