"""Categorical inputs: what a value is worth, and how counts become distributions."""

import pickle

import numpy as np
import pytest
from helpers import positive, rows_of, smoothed_counts

from skpc._circuit.inputs.inputs import Inputs
from skpc._circuit.inputs.regions import to_scale
from skpc._circuit.inputs.table import Categorical
from skpc._data.evidence import encode

CATEGORIES = [np.array([-1.0, 2.0, 7.0]), np.empty(0), np.array([4.0]), np.array([0.0, 1.0])]
FEATURES = [np.array([2]), np.empty(0, int), np.array([0]), np.array([1])]


def inputs(n_latents=3, seed=0):
    rng = np.random.default_rng(seed)
    probs = np.concatenate([positive(rng, n_latents, len(c)).T for c in CATEGORIES if len(c)])
    unseen = rng.uniform(0.001, 0.01, (4, n_latents))
    return Inputs(FEATURES, CATEGORIES, probs, unseen, {})


def as_columns(scaled):
    mantissas, exponents = scaled
    return mantissas, exponents[:, None]


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_log_prob(shape):
    probs = np.array([[0.2, 0.5], [0.3, 0.1], [0.5, 0.4]])
    distribution = Categorical(CATEGORIES[0], probs, np.array([0.01, 0.02]))
    values = np.array([7.0, -1.0, np.nan, 3.0, 2.0, 99.0, -50.0, -np.inf]).reshape(shape)
    expected = [[0.5, 0.4], [0.2, 0.5], [1, 1], [0.01, 0.02], [0.3, 0.1], *[[0.01, 0.02]] * 3]
    # One logarithm each.
    np.testing.assert_allclose(distribution.log_prob(values), np.log(expected), rtol=1e-14)


def test_encode():
    X = np.array([[4.0, 1.0, 7.0], [5.0, 0.0, -1.0], [np.nan, np.nan, np.nan], [3.9, 2.0, 2.5]])
    expected = [[2, 0, 3, 4], [0, 0, 0, 0], [0, 2, 1, 2], [1, 0, 2, 3]]
    evidence = inputs().encode(X)
    np.testing.assert_array_equal(evidence.symbols, expected)
    assert evidence.n_symbols.tolist() == [5, 2, 3, 4]
    assert evidence.values == (None,) * 4


@pytest.mark.parametrize("start", [0.0, -2.0, 5.0])
def test_encode_finds_consecutive_integers_by_their_value(start):
    known = start + np.arange(4)
    values = start + np.array([0, 3, 1, 0.5, 2.999, -0.5, 3.5, -1, 4, np.nan, np.inf, -np.inf])
    expected = [0, 3, 1, 5, 5, 5, 5, 5, 5, 4, 5, 5]
    evidence = encode(values[:, None], [np.array([0])], [known])
    assert evidence.symbols[0].tolist() == expected
    searched = encode(values[:, None], [np.array([0])], [np.append(known, start + 9.5)])
    np.testing.assert_array_equal(searched.symbols[0], [e + (e > 3) for e in expected])


def test_what_rounding_alone_brings_to_an_integer_is_none():
    values = np.array([[1e-20], [-1e-20], [0.0], [1.0 + 2**-52], [2.0**40 + 0.5]])
    for known in np.arange(-1.0, 3.0), np.arange(2.0**40, 2.0**40 + 3):
        searched = encode(values, [np.array([0])], [np.append(known, 1e15)]).symbols[0]
        found = encode(values, [np.array([0])], [known]).symbols[0]
        n = len(known)
        np.testing.assert_array_equal(found, np.where(searched > n, searched - 1, searched))
        assert (found[[0, 1, 3, 4]] == n + 1).all()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float32])
def test_encode_of_other_types(dtype):
    X = np.array([[4, 1, 7], [5, 0, 2]])
    expected = inputs().encode(X * 1.0).symbols
    np.testing.assert_array_equal(inputs().encode(X.astype(dtype)).symbols, expected)


def test_encode_of_rows_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.choice([np.nan, 0.0, 1.0, 2.0, 4.0, 7.0], (100, 3))
    whole = inputs().encode(X).symbols
    monkeypatch.setattr("skpc._data.evidence._BLOCK_CELLS", 21)
    np.testing.assert_array_equal(inputs().encode(X).symbols, whole)


def test_likelihoods_and_items_and_symbols_agree():
    X = np.array([[4.0, 1.0, 7.0], [5.0, 0.0, -1.0], [np.nan, np.nan, np.nan], [3.9, 2.0, 2.5]])
    one = inputs()
    evidence = one.encode(X)
    symbols, table = evidence.symbols, np.ldexp(*as_columns(one.likelihoods(evidence)))
    first = np.cumsum(evidence.n_symbols) - evidence.n_symbols
    for region, distribution in enumerate(one):
        actual = np.log(table[first[region] + symbols[region]])
        if distribution is None:
            np.testing.assert_array_equal(actual, np.zeros((4, 3)))
        else:
            expected = distribution.log_prob(X[:, FEATURES[region]])
            np.testing.assert_allclose(actual, expected, rtol=1e-14)


def test_mantissas_are_normalised_row_by_row():
    one = inputs()
    mantissas, _ = one.likelihoods(one.encode(np.zeros((1, 3))))
    largest = mantissas.max(axis=1)
    assert ((largest >= 0.5) & (largest < 1.0)).all()


def test_rows_are_scaled_exactly_whatever_their_size():
    numbers = np.array([[3e-320, 1e-323], [1.5, 0.3], [1e-300, 1e-305], [0.0, 0.0]])
    given = np.array([5, 0, -7, 2])
    scaled, exponents = to_scale(numbers.copy(), given)
    np.testing.assert_array_equal(np.ldexp(scaled, (exponents - given)[:, None]), numbers)
    largest = scaled.max(axis=1)
    assert ((largest[1:3] >= 0.5) & (largest[1:3] < 1.0)).all()
    assert 0.0 < largest[0] < 0.5
    assert largest[3] == 0.0


def test_a_region_that_observes_nothing_is_none():
    assert [item is None for item in inputs()] == [False, True, False, False]
    assert inputs()[1] is None


def test_items_count_from_the_end_too():
    np.testing.assert_array_equal(inputs()[-1].probs, inputs()[3].probs)
    assert [item is None for item in inputs()[1:3]] == [True, False]


def test_n_parameters():
    assert inputs(n_latents=5).n_parameters == 5 * (2 + 0 + 0 + 1)


def test_random_inputs_are_distributions_within_a_factor_of_e_squared():
    evidence = encode(np.zeros((1, 3)), FEATURES, CATEGORIES)
    random_state = np.random.RandomState(0)
    rows = rows_of(evidence, None, FEATURES, CATEGORIES)
    random = Inputs.random(rows, 50, random_state)
    for item in (random[0], random[2], random[3]):
        np.testing.assert_allclose(item.probs.sum(axis=0), 1.0, rtol=1e-14)
        assert (item.probs.max(axis=0) / item.probs.min(axis=0)).max() < np.exp(2.0)
    assert (random[0].probs.max(axis=0) / random[0].probs.min(axis=0)).max() > 3.0


# --- M-step ----------------------------------------------------------------------------


EVIDENCE = encode(np.zeros((0, 3)), FEATURES, CATEGORIES)


def counts_of(seed=1):
    """Expected counts of all symbols, those of missing and unseen values included."""
    return np.random.default_rng(seed).lognormal(0, 2, (int(EVIDENCE.n_symbols.sum()), 3))


def updated(one, counts, pseudocount):
    return one.updated(one.summarize(EVIDENCE, counts), pseudocount)


def by_region(counts):
    return np.split(counts, np.cumsum(EVIDENCE.n_symbols)[:-1])


@pytest.mark.parametrize("pseudocount", [0.0, 0.5, 10.0])
def test_update_is_relative_frequency_smoothed_by_that_of_all_states(pseudocount):
    one = inputs()
    counts = counts_of()
    new = updated(one, counts, pseudocount)
    for item, own in zip(new, by_region(counts), strict=True):
        if item is not None:
            n_even = min(100 * pseudocount, 1.0)
            observed = smoothed_counts(own[:-2].T, pseudocount, n_even).T
            np.testing.assert_allclose(item.probs, observed / observed.sum(axis=0), rtol=1e-13)


def test_an_unseen_value_has_the_mass_of_a_category_without_counts():
    one = inputs()
    counts = counts_of()
    counts[1] = 0.0  # the second category of region 0
    new = updated(one, counts, 0.5)
    np.testing.assert_allclose(new[0].unseen, new[0].probs[1], rtol=1e-14)


def test_without_pseudocount_nothing_is_impossible():
    one = inputs()
    counts = counts_of()
    counts[1] = 0.0
    new = updated(one, counts, 0.0)
    for values in new[0].probs[1], new[0].unseen:
        assert ((values > 0) & (values < 1e-20)).all()


def test_missing_and_unseen_values_tell_nothing():
    one = inputs()
    counts = counts_of()
    other = counts.copy()
    for own in by_region(other):
        own[-2:] *= 1000.0
    np.testing.assert_array_equal(updated(one, other, 0.1).probs, updated(one, counts, 0.1).probs)


def test_a_state_without_flow_keeps_its_distribution():
    one = inputs()
    counts = counts_of()
    counts[:3, 1] = 0.0  # state 1 of region 0
    new = updated(one, counts, 0.5)
    np.testing.assert_array_equal(new[0].probs[:, 1], one[0].probs[:, 1])
    np.testing.assert_array_equal(new[0].unseen[1], one[0].unseen[1])
    assert not np.allclose(new[0].probs[:, 0], one[0].probs[:, 0], rtol=0.01)


def test_rounding_below_zero_counts_as_zero():
    one = inputs()
    counts = counts_of()
    counts[1] = 0.0
    negative = counts.copy()
    negative[1] = -1e-17
    np.testing.assert_array_equal(
        updated(one, negative, 0.1).probs, updated(one, counts, 0.1).probs
    )


# --- what is refused --------------------------------------------------------------------


def made(**changes):
    """The inputs above, made anew with other parts."""
    old = inputs()
    names = "features", "categories", "probs", "unseen", "distributions", "is_binomial"
    return Inputs(**{name: changes.get(name, getattr(old, name)) for name in names})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("features", lambda f: f[:-1], "features must have one entry for each of the 4 regions"),
        ("features", lambda f: (f[0] - 9, *f[1:]), "features of region 0 must not be negative"),
        (
            "features",
            lambda f: (f[0] + 0.5, *f[1:]),
            "features of region 0 must be an array of int",
        ),
        ("features", lambda f: (f[0], f[0], *f[2:]), "region 1 has 1 columns and 0 categories"),
        ("categories", lambda c: (None, *c[1:]), "probs must have shape"),
        ("categories", lambda c: (np.arange(9.0), *c[1:]), r"probs must have shape \(12, any\)"),
        ("categories", lambda c: (c[0].astype(int), *c[1:]), "categories of region 0"),
        ("probs", lambda p: p[:, :2], "unseen must have shape"),
        ("unseen", lambda u: u[:-1], "unseen must have shape"),
        ("distributions", lambda g: {0: None}, "distributions must be a dict"),
        ("is_binomial", lambda b: b[:2], "is_binomial must have shape"),
        ("is_binomial", lambda b: ~b, "False in regions without categories"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(name, change, message):
    with pytest.raises(ValueError, match=message):
        made(**{name: change(getattr(inputs(), name))})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("categories", lambda c: (c[0][::-1], *c[1:]), "sorted and distinct"),
        ("categories", lambda c: (c[0] + np.inf, *c[1:]), "categories must be finite"),
        ("probs", lambda p: p * 2, "at most 1|sum to one"),
        ("probs", lambda p: -p, "above 0"),
        ("probs", lambda p: p * np.nan, "probs must be finite"),
        ("unseen", lambda u: u * 0, "unseen must be above 0"),
        ("is_binomial", lambda b: np.arange(4) == 0, "must be consecutive integers"),
    ],
)
def test_check_says_what_is_no_distribution(name, change, message):
    with pytest.raises(ValueError, match=message):
        made(**{name: change(getattr(inputs(), name))}).check()


def test_a_categorical_is_checked_alone():
    good = inputs()[0]
    assert np.array_equal(pickle.loads(pickle.dumps(good)).probs, good.probs)
    with pytest.raises(ValueError, match="shapes"):
        Categorical(good.categories[:-1], good.probs, good.unseen)
    vars(good)["probs"] = good.probs[:-1]
    with pytest.raises(ValueError, match="'categorical' cannot be read"):
        pickle.loads(pickle.dumps(good))
