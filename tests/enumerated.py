"""Evidence on circuits of few columns of categories: what all joint rows say of it."""

from itertools import product

import numpy as np
import pytest
from scipy.special import logsumexp

from skpc._data.column_sets import Interval, ValueSet
from skpc._passes.likelihood import log_likelihood
from skpc._queries.conditioning import condition


def rows_of(categories):
    return np.array(list(product(*categories)), float)


def random_sets(rng, categories):
    """A value, several or an interval of some of the columns; some have none."""
    sets = {}
    for j, known in enumerate(categories):
        kind = rng.integers(4)
        if kind == 1:
            sets[j] = ValueSet(rng.choice(known, 1))
        elif kind == 2:
            sets[j] = ValueSet(np.sort(rng.choice(known, max(1, len(known) - 1), replace=False)))
        elif kind == 3:
            sets[j] = Interval(known[rng.integers(len(known))], np.inf)
    return sets


def allowed(rows, sets):
    found = np.ones(len(rows), bool)
    for j, given in sets.items():
        found &= given.contains(rows[:, j])
    return found


def check_against_enumeration(circuit, categories, sets):
    rows = rows_of(categories)
    joint = log_likelihood(circuit, rows)
    is_left = allowed(rows, sets)
    found = condition(circuit, sets)
    total = logsumexp(joint[is_left])
    assert found.log_probability == pytest.approx(total, abs=1e-10)
    given = log_likelihood(found.circuit, rows[is_left])
    np.testing.assert_allclose(given, joint[is_left] - total, rtol=1e-9, atol=1e-9)
    partial = rows[is_left].copy()
    partial[:, ::2] = np.nan
    for row, score in zip(partial, log_likelihood(found.circuit, partial), strict=True):
        same = (np.isnan(row) | (rows == row)).all(axis=1) & is_left
        assert score == pytest.approx(logsumexp(joint[same]) - total, abs=1e-9)
    return found
