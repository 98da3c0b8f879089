"""What a user is told while a density learns, and of how that ended."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

if TYPE_CHECKING:
    from skpc._learning.progress import FitResult


def warn_of_end(density: Any, result: FitResult) -> None:
    """Warn of what the user should know about how EM ended."""
    if not result.converged and density.tol > 0 and not result.has_schedule:
        what = "log-likelihood still changes"
        if result.best_iteration is not None:
            what = (
                f"validation log-likelihood still improves in n_iter_no_change="
                f"{density.n_iter_no_change} iterations"
            )
        n_iter = len(result.stopped_run)
        warnings.warn(
            f"Learning did not converge: after max_iter={n_iter} iterations the {what} by "
            f"more than tol={density.tol}. Increase max_iter or tol.",
            ConvergenceWarning,
            stacklevel=6,
        )
    history = result.stopped_run
    changes = np.diff(history)
    rounding = 1e-9 if density.dtype == "float64" else 1e-6
    fell = changes < -rounding * np.maximum(1.0, np.abs(history[1:]))
    is_plain = result.mu == 0 and density._priors()[0] == 0 and not result.is_stepwise
    if is_plain and fell.any():
        warnings.warn(
            f"The log-likelihood fell by {-changes[fell][0]:.3g} at iteration "
            f"{np.argmax(fell) + 2}: plain EM never does but for rounding. Please report it.",
            ConvergenceWarning,
            stacklevel=6,
        )


def reporter(verbose: int) -> Callable[[int, float, float | None], None] | None:
    """A callback for `fit_em` that prints one line every `verbose` iterations."""
    if not verbose:
        return None
    start = time.perf_counter()
    last = np.nan

    def report(iteration: int, log_likelihood: float, validation: float | None) -> None:
        nonlocal last
        if iteration == 1:  # of another start, perhaps
            last = np.nan
        if iteration % int(verbose) == 0 or iteration == 1:
            seconds = time.perf_counter() - start
            validated = "" if validation is None else f"validation {validation:.6f}  "
            print(
                f"iteration {iteration:4d}  log-likelihood {log_likelihood:.6f}  "
                f"change {log_likelihood - last:.6f}  {validated}{seconds:.2f} s",
                flush=True,
            )
        last = log_likelihood

    return report
