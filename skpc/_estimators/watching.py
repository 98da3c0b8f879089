"""What watches a fit: lines, a bar, scikit-learn's callbacks, Ctrl-C, and a checkpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._checks import shown
from skpc._estimators.callbacks import callbacks_of
from skpc._version import __version__

if TYPE_CHECKING:
    from skpc._data.rows import Rows
    from skpc._learning.journal import Journal
    from skpc._learning.watch import Listener, Watch
    from skpc._tables.columns import Columns

_BAR = "{desc}: {n_fmt}/{total_fmt} |{bar}| {elapsed}, at most {remaining} more{postfix}"
_LINES_WITHOUT_BAR = 10  # iterations
_NO_MATTER = "n_jobs", "verbose"  # to what is learnt


@contextmanager
def watching(on_interrupt: str, checkpoint: Any) -> Iterator[Watch]:
    """A watch for a fit; its checkpoint is removed when the fit has succeeded.

    Parameters
    ----------
    on_interrupt : "raise" or "keep"
    checkpoint : path-like or None
    """
    if not isinstance(on_interrupt, str) or on_interrupt not in ("raise", "keep"):
        raise ValueError(
            "on_interrupt must be 'raise', which leaves the estimator as it was, or 'keep', which "
            f"keeps what was learnt until Ctrl-C; got {shown(on_interrupt)}."
        )
    if checkpoint is not None:
        if not isinstance(checkpoint, (str, os.PathLike)):
            raise ValueError(
                f"checkpoint must be the path of a file, or None; got {shown(checkpoint)}."
            )
        if Path(checkpoint).is_dir():
            raise ValueError(
                f"checkpoint={shown(str(checkpoint))} is a folder. Give the path of a file in it."
            )
        if not Path(checkpoint).absolute().parent.is_dir():
            raise ValueError(
                f"checkpoint={shown(str(checkpoint))} is in a folder that does not exist. Create "
                "it, or give another path."
            )
    from skpc._learning.journal import Journal
    from skpc._learning.watch import Watch

    with Journal(checkpoint) as journal:
        watch = Watch(keeps=on_interrupt == "keep", journal=journal)
        yield watch
        journal.is_kept = watch.is_over


def check_same_fit(journal: Journal, density: Any, rows: Rows, columns: Columns) -> None:
    """Raise ValueError if a journal is of a fit with other parameters, data or versions."""
    from skpc._learning.journal import digest

    journal.check("version of skpc", __version__)
    for name, value in density._density_parameters().items():
        if name not in _NO_MATTER:
            is_generator = isinstance(value, np.random.RandomState)
            journal.check(name, "a generator" if is_generator else shown(value))
    start = density.circuit_ if density._continues() else None
    journal.check("circuit to start from", digest(start))
    journal.check("table (as a fingerprint)", digest(rows, columns.categories))


def listeners_of(density: Any) -> list[Listener]:
    """Those that the parameter `verbose` and callbacks ask for."""
    listeners = callbacks_of(density)
    if density.verbose == "bar":
        listeners.append(Bar() if _has_tqdm() else Lines(_LINES_WITHOUT_BAR))
    elif density.verbose:
        listeners.append(Lines(int(density.verbose)))
    return listeners


def _has_tqdm() -> bool:
    try:
        import tqdm  # noqa: F401
    except ImportError:
        return False
    return True


class Lines:
    """Prints one line every so many iterations.

    Parameters
    ----------
    every : int
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._start = time.perf_counter()
        self._last = np.nan

    def begin(self, name: str, n_before: int, max_iter: int) -> None:
        """Forget the last log-likelihood: it is of another start, perhaps."""
        self._last = np.nan

    def update(self, iteration: int, log_likelihood: float, validation: float | None) -> bool:
        """Print a line, if it is time."""
        if iteration % self._every == 0 or iteration == 1:
            seconds = time.perf_counter() - self._start
            validated = "" if validation is None else f"validation {validation:.6f}  "
            print(
                f"iteration {iteration:4d}  log-likelihood {log_likelihood:.6f}  "
                f"change {log_likelihood - self._last:.6f}  {validated}{seconds:.2f} s",
                flush=True,
            )
        self._last = log_likelihood
        return False

    def end(self) -> None:
        """Nothing is left to print."""

    def close(self) -> None:
        """Nothing is left to print."""


class Bar:
    """A bar of tqdm, which begins anew with each run.

    How long a run takes at most is known; how many follow is not.
    """

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, name: str, n_before: int, max_iter: int) -> None:
        """Begin anew."""
        from tqdm.auto import tqdm

        if self._bar is None:
            self._bar = tqdm(desc=name, total=max_iter, initial=n_before, bar_format=_BAR)
            return
        self._bar.set_description_str(name, refresh=False)
        self._bar.set_postfix_str("", refresh=False)
        self._bar.reset(max_iter)
        self._bar.initial = self._bar.n = self._bar.last_print_n = n_before

    def update(self, iteration: int, log_likelihood: float, validation: float | None) -> bool:
        """Move on."""
        validated = "" if validation is None else f", validation {validation:.4f}"
        self._bar.set_postfix_str(f"log-likelihood {log_likelihood:.4f}{validated}", refresh=False)
        self._bar.update()
        return False

    def end(self) -> None:
        """Show where it is."""
        self._bar.refresh()

    def close(self) -> None:
        """Leave it as it is."""
        if self._bar is not None:
            self._bar.close()
