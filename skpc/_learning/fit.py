"""Learning a circuit from rows: structure, starts, and a solver from every start."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._data.rows import Rows
from skpc._learning.initialisation import Start, draw_starts, has_edges, learn_trees, with_moments
from skpc._learning.progress import FitResult, Progress
from skpc._learning.report import name_of, report_of
from skpc._learning.solver import Solver
from skpc._learning.stopping import EarlyStopping
from skpc._learning.structure import Structure
from skpc._passes.likelihood import MeanLogLikelihood


def learn_circuit(
    rows: Rows,
    structure: Structure,
    start: Start,
    solver: Solver,
    stopping: EarlyStopping | None,
    random_state: np.random.RandomState,
) -> FitResult:
    """Learn structure and parameters; of several starts and solvers keep the best.

    Parameters
    ----------
    rows : Rows
        Distinct, one region per column.
    structure : Structure
        What trees to learn, unless `start` has some.
    start : Start
    solver : Solver
    stopping : EarlyStopping or None
        None goes by the training log-likelihood.
    random_state : RandomState
    """
    began = time.perf_counter()
    training, held_out = (rows, None) if stopping is None else stopping.divide(rows)
    trees = []
    if start.circuit is None:
        trees = learn_trees(training, structure, start, solver, random_state)
    is_missing = None if start.of_table is None else rows.is_missing()
    features = (
        [columns for _, of_tree in trees for columns in of_tree.features]
        if start.circuit is None
        else start.circuit.features
    )
    grouped = trees[0].rows if len(trees) == 1 else training.grouped(features)
    validation = None if held_out is None else held_out.grouped(features)
    before = random_state.get_state()
    found: list[tuple[FitResult, Circuit, Solver, Any]] = []
    edges = has_edges(trees, start)
    with solver.watch.ending(lambda: bool(found)):
        for candidate in solver.candidates(training.weights, held_out is not None, edges):
            solver.watch.check()
            random_state.set_state(before)  # as if there were no other
            starts = [start.circuit] if start.circuit is not None else [
                with_moments(circuit, start, is_missing)
                for circuit in draw_starts(trees, start, candidate, random_state)
            ]  # fmt: skip
            result, best = learn_parameters(
                starts, candidate, grouped, validation, stopping, random_state
            )
            now = time.perf_counter()
            result = replace(result, seconds=now - began)
            began = now
            found.append((result, best, candidate, random_state.get_state()))
    result, best, solver, after = max(found, key=lambda one: one[0].score)
    result = replace(result, report=report_of([one[0] for one in found], result))
    random_state.set_state(after)
    if held_out is None or stopping is None or not stopping.refits:
        return result
    solver = replace(solver, max_iter=max(1, result.best_iteration or 0), tol=0.0)
    with solver.watch.ending():
        solver.watch.check()
        grouped = rows.grouped(features)
        name = f"{name_of(best.n_latents)}, all rows"
        again, _ = learn_parameters([best], solver, grouped, None, None, random_state, name)
        solver.watch.check()  # half of it would be no better than what is there
        return replace(result, circuit=again.circuit, log_likelihoods=again.log_likelihoods)
    return result


def learn_parameters(
    starts: Sequence[Circuit],
    solver: Solver,
    rows: Rows,
    validation: Rows | None,
    stopping: EarlyStopping | None,
    random_state: np.random.RandomState,
    name: str | None = None,
) -> tuple[FitResult, Circuit]:
    """Learn from several starts of one structure; the best result and the start it is from.

    Those who watch are told the name, if it is not that of so many states.
    """
    judge = None
    if validation is not None:
        judge = MeanLogLikelihood(
            starts[0], validation.evidence, validation.weights, max_bytes=solver.max_bytes
        )
    learn = solver.bind(starts[0], rows, random_state)
    results: list[tuple[FitResult, Circuit]] = []
    with solver.watch.ending(lambda: bool(results)):
        for circuit in starts:
            progress = Progress(
                circuit,
                tol=solver.tol,
                validation=judge,
                n_iter_no_change=1 if stopping is None else stopping.n_iter_no_change,
                run=solver.run(name or name_of(circuit.n_latents)),
            )
            results.append((replace(learn(circuit, progress), mu=solver.m_step.mu), circuit))
    return max(results, key=lambda one: one[0].score)
