"""How parameters are learnt: EM on all rows or on mini-batches, or Adam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from skpc._circuit.circuit import Circuit
from skpc._data.rows import Rows
from skpc._learning.adam import AdamUpdates, fit_adam
from skpc._learning.em import EMUpdates, EStep, StepwiseUpdates, fit_em, fit_stepwise_em
from skpc._learning.minibatches import Batches
from skpc._learning.mstep import MStep
from skpc._learning.progress import FitResult, Progress, Updates
from skpc._learning.watch import Run, Watch
from skpc._passes.blocks import DEFAULT_MAX_BYTES

_MANY_ROWS = 5000
_LEAST_ROWS = 500  # of which mini-batches are made
_EM_BATCH_SIZE = 100.0
_FEW_IN_A_BATCH = 0.5  # of that, where there are not many rows
_STEP_OF_MIXTURES = 0.6
_MAX_BATCHES = 250
_ADAM_BATCH_SIZE = 256
_MAX_VISITS = 10
_MAX_ITER = 500
_MAX_EPOCHS = {"em": 100, "adam": 60}
_MU = {"unit": 0.01, "exact": 1e-4}
_FEW_ROWS = 1000


@dataclass(frozen=True)
class Solver:
    """A way to learn parameters, with its settings.

    Attributes
    ----------
    m_step : MStep
        Of EM. Its `mu` is also Adam's.
    max_iter : int or None
        Largest number of iterations, of epochs if there are batches; None: see `resolved`.
    tol : float
        See `skpc._learning.progress.Progress`.
    kind : "em" or "adam"
    batch_size : float, "auto" or None
        Weight of a mini-batch; None takes all rows at once; "auto": see `resolved`.
    least_batch_size : float
        What "auto" takes for EM on many rows, and half of it on few.
    step_size : float
        Of mini-batches; see `fit_stepwise_em` and `fit_adam`. EM of several trees takes less.
    max_bytes : int
        Bound on the memory of messages.
    dtype : float64 or float32
        Of the messages.
    chooses_mu : bool
        Whether `candidates` differ in the `mu` of the M-step, in place of the one given.
    watch : Watch
        Of the whole fit.
    """

    m_step: MStep
    max_iter: int | None
    tol: float
    kind: str = "em"
    batch_size: float | str | None = None
    least_batch_size: float = _EM_BATCH_SIZE
    step_size: float = 0.5
    max_bytes: int = DEFAULT_MAX_BYTES
    dtype: DTypeLike = np.float64
    chooses_mu: bool = False
    watch: Watch = field(default_factory=Watch)

    def candidates(
        self, weights: np.ndarray, is_validated: bool, has_edges: bool = True
    ) -> list[Solver]:
        """The solvers to choose from for these weights of distinct rows, each `resolved`.

        Whether a few rows that are stopped early gain by a penalty as well is for the
        validation rows to say; more rows do. For Adam, whose unit of `mu` depends on the
        circuit, no strength suits all.
        """
        mus: tuple[float, ...] = (self.m_step.mu,)
        if self.chooses_mu and self.kind == "adam":
            mus = (0.0,)
        elif self.chooses_mu:
            default = _MU[self.m_step.multiplier]
            is_in_doubt = is_validated and weights.sum() < _FEW_ROWS
            mus = (default, 0.0) if is_in_doubt else (default,)
        return [
            replace(self, m_step=replace(self.m_step, mu=mu), chooses_mu=False).resolved(
                weights, has_edges
            )
            for mu in mus
        ]

    def resolved(self, weights: np.ndarray, has_edges: bool = True) -> Solver:
        """The solver with what is left open decided for these weights of distinct rows.

        EM takes many rows in mini-batches where there are sum weights of edges to learn. One
        region that is a mixture, and one state, learn better from all rows, and sooner.
        """
        batch_size = self.batch_size
        if batch_size == "auto":
            total = float(weights.sum())
            batch_size = None
            if self.kind == "adam":
                batch_size = max(_ADAM_BATCH_SIZE, total / most_batches(weights))
            elif (
                has_edges
                and min(total, len(weights)) >= _LEAST_ROWS
                and not self.m_step.needs_moments
            ):
                n_batches = min(_MAX_BATCHES, most_batches(weights))
                least = self.least_batch_size * (1.0 if total >= _MANY_ROWS else _FEW_IN_A_BATCH)
                batch_size = max(least, total / n_batches)
        is_full = self.kind == "em" and batch_size is None
        max_iter = self.max_iter or (_MAX_ITER if is_full else _MAX_EPOCHS[self.kind])
        return replace(self, batch_size=batch_size, max_iter=max_iter)

    def new_e_step(self, circuit: Circuit, rows: Rows) -> EStep:
        """The E-step on distinct rows, all at once."""
        return EStep(
            circuit,
            rows.evidence,
            rows.weights,
            with_gate=self.m_step.needs_gate,
            with_moments=self.m_step.needs_moments,
            max_bytes=self.max_bytes,
            dtype=self.dtype,
        )

    def new_batches(
        self, circuit: Circuit, rows: Rows, random_state: np.random.RandomState
    ) -> Batches:
        """Mini-batches of distinct rows."""
        assert not isinstance(self.batch_size, str)
        by_row = self.kind == "adam" and self.m_step.mu > 0
        return Batches(
            circuit,
            rows.evidence,
            rows.weights,
            np.inf if self.batch_size is None else self.batch_size,
            random_state,
            by_row=by_row,
            max_bytes=self.max_bytes,
            dtype=np.float64 if by_row else self.dtype,
        )

    def bind(
        self, circuit: Circuit, rows: Rows, random_state: np.random.RandomState
    ) -> Callable[[Circuit, Progress], FitResult]:
        """Prepare the patterns of distinct rows for circuits of one structure.

        Call it on a solver that is `resolved`.
        """
        assert self.max_iter is not None
        settings: dict[str, Any] = {"max_iter": self.max_iter}
        if self.is_full:
            e_step = self.new_e_step(circuit, rows)
            return partial(fit_em, e_step=e_step, m_step=self.m_step, **settings)
        settings |= self._of_batches(circuit, rows, random_state)
        return partial(fit_adam if self.kind == "adam" else fit_stepwise_em, **settings)

    def updates(self, circuit: Circuit, rows: Rows, random_state: np.random.RandomState) -> Updates:
        """The updates that lead from a circuit, one by one: see `bind`; they may have no end."""
        assert self.max_iter is not None
        if self.is_full:
            return EMUpdates(circuit, self.new_e_step(circuit, rows), self.m_step)
        settings = self._of_batches(circuit, rows, random_state)
        if self.kind == "adam":
            return AdamUpdates(circuit, max_iter=self.max_iter, **settings)
        return StepwiseUpdates(circuit, **settings)

    def run(self, name: str) -> Run:
        """A run of updates that is called so, as those see it who watch; `resolved`."""
        assert self.max_iter is not None
        return Run(self.watch, name, self.max_iter)

    @property
    def is_full(self) -> bool:
        """Whether an update is one of EM from all rows."""
        return self.kind == "em" and self.batch_size is None

    def _of_batches(
        self, circuit: Circuit, rows: Rows, random_state: np.random.RandomState
    ) -> dict[str, Any]:
        """What learning from mini-batches needs."""
        settings: dict[str, Any] = {
            "batches": self.new_batches(circuit, rows, random_state),
            "step_size": self.step_for(circuit),
            "random_state": random_state,
        }
        if self.kind == "adam":
            return {**settings, "mu": self.m_step.mu, "pseudocount": self.m_step.pseudocount}
        return {**settings, "m_step": self.m_step}

    def step_for(self, circuit: Circuit) -> float:
        """The step size of mini-batches for circuits like this one."""
        # Long steps would make trees forget how they differ.
        is_shorter = self.kind == "em" and len(circuit.roots) > 1
        return self.step_size * (_STEP_OF_MIXTURES if is_shorter else 1.0)


def most_batches(weights: np.ndarray) -> float:
    """With how many batches an epoch visits distinct rows `_MAX_VISITS` times each on average.

    A row of weight w is dealt to w batches, or to all of them: see `minibatches.deal`.
    """
    n_parts = np.sort(np.ceil(weights))
    n_others = np.arange(len(weights), 0, -1)
    n_visits = np.cumsum(n_parts) - n_parts  # of the rows before
    allowed = float(_MAX_VISITS * len(weights))
    is_too_much = n_visits + n_others * n_parts > allowed
    if not is_too_much.any():
        return np.inf
    i = int(np.argmax(is_too_much))
    return float((allowed - n_visits[i]) / n_others[i])
