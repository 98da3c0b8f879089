"""What a user is told of how learning ended."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skpc._checks import level_of_caller

if TYPE_CHECKING:
    from skpc._learning.progress import FitResult
    from skpc._learning.watch import Watch


def warn_of_end(density: Any, result: FitResult, watch: Watch) -> None:
    """Warn of what the user should know about how learning ended."""
    if watch.is_over:
        report = result.report
        n_mixed = 1 if report is None else int((report["weight"] > 0).sum())
        kept = f"the best circuit so far, that of iteration {result.n_iter}"
        if n_mixed > 1:
            assert report is not None
            kept = (
                f"a mixture of {n_mixed} of the {len(report['weight'])} circuits that were tried "
                "(see fit_report_)"
            )
        warnings.warn(
            f"Learning was interrupted after {watch.seconds:.1f} s. What is kept is {kept}. It is "
            "fitted, but converged_ is False.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )
        return
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
            stacklevel=level_of_caller(),
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
            stacklevel=level_of_caller(),
        )
