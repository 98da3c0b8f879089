"""Who watches learning: listeners that are told of it, Ctrl-C that ends it, a journal of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from skpc._learning.journal import Journal


class Listener(Protocol):
    """Somebody who is told of runs of updates, which follow each other."""

    def begin(self, name: str, n_before: int, max_iter: int) -> None:
        """Begin a run, or go on with it.

        Parameters
        ----------
        name : str
            What is learnt.
        n_before : int
            How many updates there were before.
        max_iter : int
            How many there may be in all.
        """

    def update(self, iteration: int, log_likelihood: float, validation: float | None) -> bool:
        """Take note of an update, and say whether to end the run.

        Parameters
        ----------
        iteration : int
            Its number in the run, from 1.
        log_likelihood : float
            Mean training log-likelihood before it.
        validation : float or None
            The same of the validation rows, if there are any.
        """

    def end(self) -> None:
        """End the run, or leave it for another."""

    def close(self) -> None:
        """Learning is over, or has failed."""


class _Over(KeyboardInterrupt):
    """Learning goes no further: Ctrl-C has ended it before."""


class Watch:
    """All that watches a fit: whatever learns asks it, at every step, whether to go on.

    Parameters
    ----------
    keeps : bool
        Whether Ctrl-C ends learning, and what was learnt so far is kept.
    journal : Journal, optional

    Attributes
    ----------
    listeners : sequence of Listener
    is_over : bool
        Whether Ctrl-C has ended learning.
    seconds : float
        How long learning had taken by then.
    """

    def __init__(self, *, keeps: bool = False, journal: Journal | None = None) -> None:
        self.listeners: Sequence[Listener] = ()
        self.journal = journal or Journal()
        self.is_over = False
        self.seconds = 0.0
        self._keeps = keeps
        self._began = time.perf_counter()
        self._n_pieces = 0

    @contextmanager
    def telling(self, listeners: Sequence[Listener]) -> Iterator[None]:
        """Tell listeners of what is learnt within."""
        self.listeners = listeners
        try:
            yield
        finally:
            for listener in listeners:
                listener.close()

    @contextmanager
    def ending(self, has_result: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Let Ctrl-C end the work within, if there is a result by then that can be kept.

        The work after it, and around, ends at the next `check`. A second Ctrl-C is an exception
        like any other.
        """
        try:
            yield
        except KeyboardInterrupt as stroke:
            is_second = self.is_over and not isinstance(stroke, _Over)
            if not self._keeps or is_second or not has_result():
                raise
            if not self.is_over:
                self.seconds = time.perf_counter() - self._began
            self.is_over = True

    def check(self) -> None:
        """End the work of the nearest `ending` around, if Ctrl-C has ended learning before."""
        if self.is_over:
            raise _Over

    def next_key(self, name: str) -> str:
        """The key of the next piece of work in the journal."""
        self._n_pieces += 1
        return f"{self._n_pieces} {name}"

    def piece(self, name: str, compute: Callable[[], Any]) -> Any:
        """What is computed, unless it was finished before: see `Journal.piece`."""
        key = self.next_key(name)
        is_finished, value = self.journal.find(key)
        if not is_finished:
            value = compute()
            if not self.is_over:
                self.journal.finish(key, lambda: value)
        return value


class Run:
    """A run of updates, as those see it who watch.

    Parameters
    ----------
    watch : Watch
    name : str
        What is learnt.
    max_iter : int
        How many updates there may be.
    """

    def __init__(self, watch: Watch, name: str, max_iter: int) -> None:
        self.watch = watch
        self.name = name
        self._max_iter = max_iter

    @contextmanager
    def told(self, n_before: int) -> Iterator[None]:
        """Tell listeners that updates begin, and end."""
        for listener in self.watch.listeners:
            listener.begin(self.name, n_before, self._max_iter)
        try:
            yield
        finally:
            for listener in self.watch.listeners:
                listener.end()

    def update(self, iteration: int, log_likelihood: float, validation: float | None) -> bool:
        """Tell listeners of an update; whether one of them ends the run."""
        answers = [
            listener.update(iteration, log_likelihood, validation)
            for listener in self.watch.listeners
        ]
        return any(answers)
