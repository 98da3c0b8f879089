"""When learning is over, which circuit it leaves, and which rows are held out to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit
from skpc._learning.journal import check_form
from skpc._learning.watch import Run, Watch

_FORESIGHT = 10.0

Update = tuple[Any, float]
"""A circuit (or those of several folds), and the mean training log-likelihood before it."""


@dataclass(frozen=True)
class FitResult:
    """A fitted circuit and how it was reached.

    Attributes
    ----------
    circuit : Circuit
    log_likelihoods : (n_iter,)
        Mean training log-likelihood before each update of the run that led to `circuit`, in nats.
    converged : bool
        Whether the rule to stop decided how many updates there were.
    validation_log_likelihoods : (n + 1,) or None
        Mean validation log-likelihood before each of the n updates of the run that was validated
        and, last, after all of them.
    validation_run_log_likelihoods : (n,) or None
        Mean training log-likelihood in that run: `log_likelihoods`, unless another run followed.
    best_iteration : int or None
        Number of updates after which the validation log-likelihood is largest.
    is_stepwise : bool
        Whether single mini-batches moved the circuit: the training log-likelihood may then
        fall also without a penalty.
    has_schedule : bool
        Whether steps fell towards the last update: then running out of them is no failure.
    mu : float
        Strength of the penalty.
    seconds : float
        How long it took.
    report : dict or None
        What was tried, as arrays by name with an entry for each: see `skpc._learning.report`.
    """

    circuit: Circuit
    log_likelihoods: np.ndarray
    converged: bool
    validation_log_likelihoods: np.ndarray | None = None
    validation_run_log_likelihoods: np.ndarray | None = None
    best_iteration: int | None = None
    is_stepwise: bool = False
    has_schedule: bool = False
    mu: float = 0.0
    seconds: float = 0.0
    report: dict[str, np.ndarray] | None = None

    @property
    def stopped_run(self) -> np.ndarray:
        """Mean training log-likelihood before each update of the run that the rule could stop."""
        if self.validation_run_log_likelihoods is None:
            return self.log_likelihoods
        return self.validation_run_log_likelihoods

    @property
    def n_iter(self) -> int:
        """How many updates were best, or were done if no rows told."""
        best = self.best_iteration
        return len(self.log_likelihoods) if best is None else best

    @property
    def score(self) -> float:
        """What starts are compared by: the best on validation, or else the last in training."""
        if self.validation_log_likelihoods is not None:
            return float(self.validation_log_likelihoods.max())
        return float(self.log_likelihoods[-1])


class _Standing(NamedTuple):
    """How far learning has come; replaced as a whole, so that Ctrl-C never finds half of it.

    Attributes
    ----------
    circuit : Circuit
        The one to keep.
    last : Circuit
        After all updates.
    best_iteration : int
    converged : bool
    log_likelihoods, scores : list of float
        Of training before each update; of validation before each and after the last.
    """

    circuit: Circuit
    last: Circuit
    best_iteration: int
    converged: bool
    log_likelihoods: list[float]
    scores: list[float]


class Progress:
    """The progress of a fit: it is told of each update, answers whether to stop, keeps the circuit.

    Without validation learning stops when the training log-likelihood changes by less than
    `tol`, and leaves the last circuit. A change in either direction counts: with a penalty
    the log-likelihood may fall on the way to the fixed point.

    With it learning stops when the best validation log-likelihood is not more than `tol`
    better than it was `n_iter_no_change` updates ago, and leaves the best circuit, the
    earliest of equals.

    Several circuits that learn in step, from rows of their own, count as one.

    Parameters
    ----------
    circuit : Circuit
        Where learning starts.
    tol : float
        In nats per row.
    validation : callable, optional
        The mean validation log-likelihood of a circuit.
    n_iter_no_change : int
    keeps_start : bool
        Whether the best circuit may be the one before any update.
    target : float
        Learning also stops where the best validation log-likelihood would not get there in ten
        times `n_iter_no_change` updates more, if it rose as it did in the last so many.
    run : Run, optional
        Who watches; it may stop learning too.
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        tol: float,
        validation: Callable[[Circuit], float] | None = None,
        n_iter_no_change: int = 10,
        keeps_start: bool = True,
        target: float = -np.inf,
        run: Run | None = None,
    ) -> None:
        self._tol = tol
        self._validation = validation
        self._n_iter_no_change = n_iter_no_change
        self._first = 0 if keeps_start else 1
        self._target = target
        self.run = run or Run(Watch(), "", 0)
        scores = [] if validation is None else [validation(circuit)]
        self._standing = _Standing(circuit, circuit, 0, False, [], scores)

    @property
    def last(self) -> Circuit:
        """After all updates so far."""
        return self._standing.last

    @property
    def n_iter(self) -> int:
        """How many updates there were."""
        return len(self._standing.log_likelihoods)

    def update(self, circuit: Circuit, log_likelihood: float) -> bool:
        """Take note of an update, and say whether it should be the last.

        Parameters
        ----------
        circuit : Circuit
            The updated circuit.
        log_likelihood : float
            Mean training log-likelihood before the update.
        """
        kept, _, best_iteration, converged, log_likelihoods, scores = self._standing
        log_likelihoods = [*log_likelihoods, log_likelihood]
        n_iter, before = len(log_likelihoods), None
        if self._validation is None:
            kept = circuit
            change = abs(log_likelihood - log_likelihoods[-2]) if n_iter > 1 else np.inf
            converged = bool(change < self._tol)
        else:
            before = scores[-1]
            scores = [*scores, self._validation(circuit)]
            if n_iter == self._first or scores[-1] > scores[best_iteration]:
                kept, best_iteration = circuit, n_iter
            if n_iter >= self._n_iter_no_change:
                earlier = max(scores[: -self._n_iter_no_change])
                best = scores[best_iteration]
                is_hopeless = best + _FORESIGHT * (best - earlier) < self._target
                converged = bool(best <= earlier + self._tol or is_hopeless)
        self._standing = _Standing(
            kept, circuit, best_iteration, converged, log_likelihoods, scores
        )
        is_stopped = self.run.update(n_iter, log_likelihood, before)
        return converged or is_stopped

    def state(self) -> dict[str, Any]:
        """How far it has come, for `restore`."""
        return self._standing._asdict()

    def restore(self, state: dict[str, Any]) -> None:
        """Be where another one was."""
        standing = _Standing(**state)
        for circuit in standing.circuit, standing.last:
            check_form(circuit, self._standing.circuit)
        self._standing = standing

    def result(self) -> FitResult:
        """The circuit to keep, and the history."""
        kept, _, best_iteration, converged, log_likelihoods, scores = self._standing
        history = np.array(log_likelihoods)
        if self._validation is None:
            return FitResult(kept, history, converged)
        return FitResult(
            kept,
            history,
            converged,
            validation_log_likelihoods=np.array(scores),
            validation_run_log_likelihoods=history,
            best_iteration=best_iteration,
        )


class Updates(Iterator[Update]):
    """Updates that lead from a circuit, one by one, and what they go on from.

    The random numbers that they draw are part of that: others may draw from the same generator
    afterwards.
    """

    def state(self, is_over: bool) -> dict[str, Any]:
        """What `restore` needs to go on with them, or only with what comes after they are over."""
        raise NotImplementedError

    def restore(self, state: dict[str, Any]) -> None:
        """Be where others were."""
        raise NotImplementedError


def follow(progress: Progress, updates: Iterator[Update], max_iter: int) -> FitResult:
    """Tell of updates until one should be the last, `max_iter` of them at most.

    Of what an earlier fit has left in the journal nothing is done again, if they are `Updates`.
    Ctrl-C ends it, if it may, after one update or more.
    """
    run, last = progress.run, progress.n_iter + max_iter
    watch, journal = run.watch, run.watch.journal
    watch.check()
    kept = updates if isinstance(updates, Updates) else None
    key, is_finished = "", False
    if kept is not None:
        key = watch.next_key(run.name)
        is_finished, state = journal.find(key)
        if state is not None:
            progress.restore(state["progress"])
            kept.restore(state["updates"])
    if is_finished:
        return progress.result()
    with watch.ending(lambda: progress.n_iter > 0), run.told(progress.n_iter):
        while progress.n_iter < last:
            update = next(updates, None)
            if update is None or progress.update(*update):
                break
            if kept is not None:
                journal.note(key, partial(_state, progress, kept, False))
        if kept is not None:
            journal.finish(key, partial(_state, progress, kept, True))
    return progress.result()


def _state(progress: Progress, updates: Updates, is_over: bool) -> dict[str, Any]:
    return {"progress": progress.state(), "updates": updates.state(is_over)}
