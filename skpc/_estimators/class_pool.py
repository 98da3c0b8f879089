"""Class probabilities by two ways at once: how much to believe each, from rows held out."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from skpc._data.rows import Rows
from skpc._estimators.settings import FEW_ROWS, HELD_OUT, N_FOLDS
from skpc._learning.held_out import fold_weights, held_out_weights, measured
from skpc._tables.margins import with_own_margins

OF_EACH_CLASS = 4
"""Latent states of a density per class: a class has fewer rows, and must not be learnt by heart."""

MOST_CLASSES = 20
"""Of more there is no density for each: there would be little to learn it from."""

FLOOR = -40.0
"""The least log ratio: certainty beyond it is of no account."""

_PRIOR_PRECISION = 10.0  # as if from so many rows that tell it in full


class LabelledRows(NamedTuple):
    """Distinct rows with their classes, in canonical order.

    Attributes
    ----------
    first : (n,) int
        The number of a row of the table that shows each.
    codes : (n,) int
        Numbers of their classes.
    of_columns, of_both : Rows
        As their columns show them, and with the class as a last one.
    """

    first: np.ndarray
    codes: np.ndarray
    of_columns: Rows
    of_both: Rows

    @property
    def weights(self) -> np.ndarray:
        """Those of the rows (n,)."""
        return self.of_both.weights

    def without(self, held_out: np.ndarray) -> LabelledRows:
        """The rows less weights (n,) that are held out, with margins of their own."""
        left = self.weights - held_out
        kept = np.flatnonzero(left)
        of_both = with_own_margins(self.of_both.reweighted(left).without_unused())
        of_columns = self.of_columns.reweighted(left).without_unused()
        of_columns = replace(of_columns, scopes=of_both.scopes[:-1])
        return LabelledRows(self.first[kept], self.codes[kept], of_columns, of_both)

    def divisions(self, seed: int) -> np.ndarray:
        """Weights (n_folds, n) to hold out: in five parts, or a tenth of many rows."""
        is_whole = measured(self.of_both)
        if self.of_both.total_weight < FEW_ROWS:
            return fold_weights(self.weights, N_FOLDS, seed, is_whole)
        return held_out_weights(self.weights, HELD_OUT, seed, is_whole)[None]


def ratios(log_joint: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
    """Log of p(y | x) over p(y) (n, n_classes), of which a row that shows nothing has zeros."""
    with np.errstate(under="ignore"):
        return np.maximum(log_softmax(log_joint, axis=1) - log_prior, FLOOR)


def pooled(log_ratios: np.ndarray, exponents: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
    """Log probabilities (n, n_classes): the prior times powers of several ratios.

    Parameters
    ----------
    log_ratios : (n_ways, n, n_classes)
        See `ratios`.
    exponents : (n_ways,)
        How often each counts: 1 and 0 leave the first way as it is.
    log_prior : (n_classes,)
    """
    with np.errstate(under="ignore"):
        return log_softmax(np.tensordot(exponents, log_ratios, 1) + log_prior, axis=1)


@np.errstate(under="ignore")
def learn_exponents(
    log_ratios: np.ndarray, log_prior: np.ndarray, codes: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The exponents, none below zero, by which the classes of rows held out are most probable.

    They have a normal prior about 1 for the first way and 0 for others.

    Parameters
    ----------
    log_ratios, log_prior : see `pooled`
        Of rows that were not learnt from.
    codes, weights : (n,)
        Their classes and weights.
    """
    usual = np.eye(len(log_ratios))[0]
    rows = np.arange(len(codes))

    def loss(exponents: np.ndarray) -> tuple[float, np.ndarray]:
        logs = pooled(log_ratios, exponents, log_prior)
        expected = (np.exp(logs) * log_ratios).sum(axis=2)
        off = exponents - usual
        gradient = (expected - log_ratios[:, rows, codes]) @ weights + _PRIOR_PRECISION * off
        return float(0.5 * _PRIOR_PRECISION * off @ off - weights @ logs[rows, codes]), gradient

    bounds = [(0.0, None)] * len(log_ratios)
    return np.asarray(minimize(loss, usual, jac=True, bounds=bounds, method="L-BFGS-B").x)
