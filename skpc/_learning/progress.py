"""When learning is over, which circuit it leaves, and which rows are held out to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from skpc._circuit.circuit import Circuit

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
    on_iteration : callable, optional
        Called after each update with its number, from 1, and the training and validation
        log-likelihoods (or None) before it.

    Attributes
    ----------
    last : Circuit
        After all updates so far.
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
        on_iteration: Callable[[int, float, float | None], None] | None = None,
    ) -> None:
        self._circuit = self.last = circuit
        self._tol = tol
        self._validation = validation
        self._n_iter_no_change = n_iter_no_change
        self._first = 0 if keeps_start else 1
        self._target = target
        self._on_iteration = on_iteration
        self._converged = False
        self._log_likelihoods: list[float] = []
        self._scores = [] if validation is None else [validation(circuit)]
        self._best_iteration = 0

    def update(self, circuit: Circuit, log_likelihood: float) -> bool:
        """Take note of an update, and say whether it should be the last.

        Parameters
        ----------
        circuit : Circuit
            The updated circuit.
        log_likelihood : float
            Mean training log-likelihood before the update.
        """
        self.last = circuit
        self._log_likelihoods.append(log_likelihood)
        n_iter, before = len(self._log_likelihoods), None
        if self._validation is None:
            self._circuit = circuit
            change = abs(log_likelihood - self._log_likelihoods[-2]) if n_iter > 1 else np.inf
            self._converged = bool(change < self._tol)
        else:
            before = self._scores[-1]
            self._scores.append(self._validation(circuit))
            if n_iter == self._first or self._scores[-1] > self._scores[self._best_iteration]:
                self._circuit, self._best_iteration = circuit, n_iter
            if n_iter >= self._n_iter_no_change:
                earlier = max(self._scores[: -self._n_iter_no_change])
                best = self._scores[self._best_iteration]
                is_hopeless = best + _FORESIGHT * (best - earlier) < self._target
                self._converged = bool(best <= earlier + self._tol or is_hopeless)
        if self._on_iteration is not None:
            self._on_iteration(n_iter, log_likelihood, before)
        return self._converged

    def result(self) -> FitResult:
        """The circuit to keep, and the history."""
        history = np.array(self._log_likelihoods)
        if self._validation is None:
            return FitResult(self._circuit, history, self._converged)
        return FitResult(
            self._circuit,
            history,
            self._converged,
            validation_log_likelihoods=np.array(self._scores),
            validation_run_log_likelihoods=history,
            best_iteration=self._best_iteration,
        )


def follow(progress: Progress, updates: Iterable[Update], max_iter: int) -> FitResult:
    """Tell of updates until one should be the last, `max_iter` of them at most."""
    for circuit, log_likelihood in islice(updates, max_iter):
        if progress.update(circuit, log_likelihood):
            break
    return progress.result()
