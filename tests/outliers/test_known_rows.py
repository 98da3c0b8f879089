"""Rows that are recognised by their values."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from skpc._outliers.known_rows import KnownRows, row_keys


def known_rows(X, n_densities=2):
    """Rows with their numbers as scores, judged by one density each."""
    places = np.arange(len(X))
    return KnownRows.of(X, places * 1.0, places[:, None] % n_densities == np.arange(n_densities))


def test_rows_are_found_by_what_they_show():
    X = np.random.default_rng(0).normal(size=(50, 3))
    X[::7, 1] = np.nan
    known = KnownRows.of(X, np.arange(50.0), np.arange(150).reshape(50, 3) % 2 == 0)
    places = known.places(X[::-1])
    assert np.array_equal(known.scores[places], np.arange(50.0)[::-1])
    assert (known.places(X + 1e-12) == -1).all()
    assert (known.judges_of(X[::-1]) == known.judges[known.places(X[::-1])]).all()
    assert known.judges_of(X + 1.0).all()
    empty = KnownRows.of(X[:0], np.empty(0), np.empty((0, 3), bool))
    assert (empty.places(X) == -1).all()
    assert empty.judges_of(X).all()
    assert np.array_equal(known.places(csr_array(X)), known.places(X))


def test_new_rows_are_judged_by_all_densities_and_known_ones_by_theirs():
    X = np.random.default_rng(0).normal(size=(50, 3))
    judges = known_rows(X).judges_of(np.concatenate([X[::-1], X + 1e-12]))
    assert np.array_equal(judges[:50], (np.arange(50)[::-1, None] % 2) == np.arange(2))
    assert judges[50:].all()
    assert known_rows(X[:0], 3).judges_of(X).shape == (50, 3)


def test_zeros_and_missing_values_have_one_form():
    assert np.array_equal(
        row_keys(np.array([[-0.0, -np.nan]])), row_keys(np.array([[0.0, np.nan]]))
    )


def test_what_cannot_be_looked_up_is_refused():
    judges = np.ones((6, 2), bool)
    known = KnownRows.of(np.arange(6.0)[:, None], np.zeros(6), judges)
    known.check(2)
    for keys, scores in [
        (known.keys[::-1], known.scores),
        (known.keys, known.scores[:5]),
        (known.keys.astype("S8"), known.scores),
        (known.keys, np.full(6, np.nan)),
    ]:
        with pytest.raises(ValueError, match="rows learnt from"):
            KnownRows(keys, scores, judges).check(2)
    for wrong in judges[:5], judges[:, :1], ~judges, judges * 1.0:
        with pytest.raises(ValueError, match="rows learnt from"):
            KnownRows(known.keys, known.scores, wrong).check(2)
