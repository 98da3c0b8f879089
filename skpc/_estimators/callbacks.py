"""Callbacks of scikit-learn, from its version 1.9 on; without it nothing is there to be called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skpc._learning.watch import Listener

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
    from sklearn.callback import with_callbacks as with_callbacks
except ImportError:  # before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """An estimator that nobody can give callbacks to."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """The method as it is."""
        return method


def callbacks_of(density: Any) -> list[Listener]:
    """Who tells the callbacks of a density, if it has any, of what is learnt."""
    return [Tasks(density)] if _has_callbacks(density) else []


def _has_callbacks(estimator: Any) -> bool:
    return bool(getattr(estimator, "_skl_callbacks", ()))


class Tasks:
    """Tells callbacks of runs, as tasks of a fit, and of iterations, as tasks of a run.

    Parameters
    ----------
    estimator : CallbackSupportMixin
        In a method `with_callbacks`.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self._fit = estimator._init_callback_context(max_subtasks=None)
        self._fit.call_on_fit_task_begin(estimator=estimator)
        self._run: Any = None

    def begin(self, name: str, n_before: int, max_iter: int) -> None:
        """Begin a task for what is left of a run."""
        self._run = self._fit.subcontext(name, max_subtasks=max_iter - n_before)
        self._run.call_on_fit_task_begin(estimator=self._estimator)

    def update(self, iteration: int, log_likelihood: float, validation: float | None) -> bool:
        """Begin and end a task for an iteration; whether a callback ends the run."""
        task = self._run.subcontext("iteration")
        task.call_on_fit_task_begin(estimator=self._estimator)
        return bool(task.call_on_fit_task_end(estimator=self._estimator))

    def end(self) -> None:
        """End the task of the run."""
        self._run.call_on_fit_task_end(estimator=self._estimator)

    def close(self) -> None:
        """End the task of the fit, whatever has ended it."""
        self._fit.call_on_fit_task_end(estimator=self._estimator)


class Parts:
    """Tells callbacks of the densities that an estimator learns, as tasks of its fit.

    Parameters
    ----------
    estimator : CallbackSupportMixin
        In a method `with_callbacks`.
    n_parts : int or None
        How many there will be, if that is known.
    """

    def __init__(self, estimator: Any, n_parts: int | None) -> None:
        self._estimator = estimator
        self._fit: Any = None
        if _has_callbacks(estimator):
            self._fit = estimator._init_callback_context(max_subtasks=n_parts)
            self._fit.call_on_fit_task_begin(estimator=estimator)

    @contextmanager
    def learning(self, density: Any) -> Iterator[None]:
        """Learn a density within."""
        if self._fit is None:
            yield
            return
        task = self._fit.subcontext("density")
        with task.propagate_callback_context(density):
            task.call_on_fit_task_begin(estimator=self._estimator)
            yield
            task.call_on_fit_task_end(estimator=self._estimator)

    def close(self) -> None:
        """End the task of the fit."""
        if self._fit is not None:
            self._fit.call_on_fit_task_end(estimator=self._estimator)
