"""``fit``: learn a density and write it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from skpc._cli.choice import TYPES, choose
from skpc._cli.messages import UsageError, shows_progress, tell
from skpc._cli.models import check_model_output, keep_amounts, save_model

_MUS = (0.0, 0.01, 0.03, 0.1, 0.3)
_INDEPENDENT = "independent"


def run(options: argparse.Namespace) -> None:
    """Learn a model and write it."""
    from skpc import SharpPCDensity

    check_model_output(options.output, options.data)
    choice = choose(options, {"id": options.id, "weight": options.weight})
    weights = choice.table.weights(options.weight)
    model = SharpPCDensity(
        n_latents=options.n_latents,
        n_components=options.n_components,
        max_iter=options.max_iter,
        early_stopping=True if options.early_stopping else "auto",
        feature_types=choice.types,
        random_state=options.seed,
        n_jobs=options.n_jobs,
    )
    X = choice.table.X(choice.columns)
    if options.mu == "auto":
        model.set_params(mu=_best_mu(model, X, weights), early_stopping=True)
    else:
        model.set_params(mu=options.mu)
    start = time.perf_counter()
    learn_density(model, X, weights)
    counts = ((model.feature_types_.count(kind), kind) for kind in TYPES)
    found = ", ".join(f"{count} {kind}" for count, kind in counts if count)
    tell(
        f"columns: {found}; {model.n_parameters} parameters: {model.n_iter_} iterations in "
        f"{time.perf_counter() - start:.1f} s"
    )
    tell(headline(model, choice.table.frames(choice.columns), weights))
    keep_amounts(model, choice.table)
    save_model(options.output, model)


def learn(model: Any, X: Any, *arguments: Any) -> Any:
    """Fit an estimator; what cannot be used is the user's to put right."""
    try:
        return model.fit(X, *arguments)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error


def learn_density(model: Any, X: Any, weights: np.ndarray | None) -> None:
    """Fit a density; a terminal shows how far it is."""
    model.set_params(verbose=progress_bar())
    learn(model, X, None, weights)
    model.set_params(verbose=0)


def progress_bar() -> str | int:
    """What `verbose` of a density is to be: a bar, if it can be shown."""
    try:
        import tqdm  # noqa: F401
    except ImportError:  # without it there are lines, on standard output
        return 0
    return "bar" if shows_progress() else 0


def headline(model: Any, frames: Iterator[Any], weights: np.ndarray | None) -> str:
    """How likely rows are that were held out, and how likely they are if columns are independent.

    Of what was kept the best counts: the mixture of all is at least as good, where its weights
    were found. If no rows were held out, those learnt from are asked.
    """
    report = model.fit_report_
    held_out = report["validation_log_likelihood"]
    kept = held_out[report["weight"] > 0]
    if not np.isfinite(kept).any():
        scores = np.concatenate([model.score_samples(frame) for frame in frames])
        mean = float(np.average(scores, weights=weights))
        return (
            f"log-likelihood: {mean:.4f} nats per row, of the rows learnt from; none were held out"
        )
    said = f"held-out log-likelihood: {np.nanmax(kept):.4f} nats per row"
    alone = held_out[report["candidate"] == _INDEPENDENT]
    if len(alone) and np.isfinite(alone[0]):
        said += f"; independent columns: {alone[0]:.4f}"
    return said


def _best_mu(model: Any, X: Any, weights: np.ndarray | None) -> float:
    """The value with the highest likelihood of the same rows held out."""
    from sklearn.base import clone

    scores = []
    for mu in _MUS:
        start = time.perf_counter()
        candidate = clone(model).set_params(mu=mu, early_stopping=True)
        learn_density(candidate, X, weights)
        scores.append(candidate.validation_log_likelihoods_[candidate.best_iteration_])
        tell(
            f"mu {mu:g}: validation log-likelihood {scores[-1]:.4f} after "
            f"{candidate.best_iteration_} iterations, {time.perf_counter() - start:.1f} s"
        )
    best = _MUS[int(np.argmax(scores))]
    tell(f"mu {best:g} is chosen; learning again from all rows")
    return best
