"""Circuits given sets and intervals, against sums over all rows and all joint states."""

import numpy as np
import oracle
import pytest
from enumerated import allowed, check_against_enumeration, random_sets, rows_of
from helpers import as_model, mixture_case, random_circuit, random_tree, small_case

from skpc._circuit.circuit import latent_marginals
from skpc._data.column_sets import Interval, ValueSet
from skpc._passes.likelihood import log_likelihood
from skpc._queries.column_mixture import ColumnMixture, Support
from skpc._queries.conditioning import ImpossibleEvidenceError, condition
from skpc._queries.sampling import sample

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("seed", range(12))
def test_a_conditioned_circuit_has_the_joint_over_the_mass_of_the_evidence(seed):
    rng = np.random.default_rng(seed)
    circuit, *_ = small_case(seed, n_regions=4 + seed % 2)
    model = as_model(circuit)
    by_column = {
        int(f[0]): c for f, c in zip(model.features, model.categories, strict=True) if len(f)
    }
    categories = [by_column[j] for j in sorted(by_column)]
    sets = random_sets(rng, categories)
    found = check_against_enumeration(circuit, categories, sets)
    some = rows_of(categories)[:20]
    np.testing.assert_allclose(
        log_likelihood(circuit, some), oracle.log_likelihood(model, some), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(found.circuit.root_weights.sum(), 1.0, rtol=1e-12)
    np.testing.assert_allclose(found.circuit.sum_weights.sum(axis=-1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_trees_of_a_mixture_are_weighted_anew(seed):
    circuit, *_ = mixture_case(seed)
    categories = [np.arange(n) for n in (2.0, 3.0, 2.0)]
    sets = random_sets(np.random.default_rng(seed + 10), categories) or {1: Interval(1.0, 2.0)}
    check_against_enumeration(circuit, categories, sets)


def test_conditioning_twice_is_conditioning_on_both():
    circuit, *_ = small_case(4, n_regions=5)
    known = {
        int(f[0]): c
        for f, c in zip(circuit.features, circuit.inputs.categories, strict=True)
        if len(f)
    }
    (first, a), (second, b), *_ = [(j, c) for j, c in known.items() if len(c) > 1]
    sets = {first: ValueSet(a[1:]), second: ValueSet(b[:1])}
    both = condition(circuit, sets)
    once = condition(circuit, {first: sets[first]})
    twice = condition(once.circuit, {second: sets[second]})
    assert once.log_probability + twice.log_probability == pytest.approx(both.log_probability)
    nothing = np.full((1, len(known)), np.nan)
    assert log_likelihood(twice.circuit, nothing)[0] == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(
        latent_marginals(twice.circuit), latent_marginals(both.circuit), rtol=1e-9
    )


def test_no_evidence_changes_nothing():
    circuit, X, _ = small_case(1)
    found = condition(circuit, {})
    assert found.log_probability == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(
        log_likelihood(found.circuit, X), log_likelihood(circuit, X), rtol=1e-12, atol=1e-12
    )


def test_evidence_of_probability_zero_is_refused_and_named():
    circuit, *_ = small_case(1)
    with pytest.raises(ImpossibleEvidenceError) as error:
        condition(circuit, {0: ValueSet(np.array([1e9])), 1: Interval(-np.inf, np.inf)})
    assert error.value.columns == (0,)


def test_evidence_of_tiny_probability_is_no_harder():
    """A thousand columns, each with evidence of 1e-3: far below the least float."""
    rng = np.random.default_rng(0)
    n_columns, n_latents = 1000, 2
    circuit = random_circuit(rng, random_tree(rng, n_columns), np.full(n_columns, 2), n_latents)
    inputs = circuit.inputs
    probs = np.where(np.arange(len(inputs.probs))[:, None] % 2, 1e-3, 1.0 - 1e-3)
    probs = np.repeat(probs, n_latents, axis=1)
    circuit = circuit.replaced(inputs=inputs.replaced(probs=probs))
    known = {int(f[0]): c for f, c in zip(circuit.features, inputs.categories, strict=True)}
    rare = {j: ValueSet(known[j][1:]) for j in range(n_columns)}
    found = condition(circuit, rare)
    assert found.log_probability == pytest.approx(n_columns * np.log(1e-3), rel=1e-9)


def test_draws_given_evidence_have_its_frequencies():
    circuit, *_ = mixture_case(5)
    categories = [np.arange(n) for n in (2.0, 3.0, 2.0)]
    sets = {1: Interval(1.0, 2.0), 2: ValueSet(np.array([1.0]))}
    found = condition(circuit, sets)
    draws = sample(found.circuit, 40_000, 3, np.random.RandomState(0))
    assert allowed(draws, sets).all()
    rows = rows_of(categories)
    shares = np.exp(log_likelihood(found.circuit, rows[allowed(rows, sets)]))
    for row, share in zip(rows[allowed(rows, sets)], shares, strict=True):
        frequency = (draws == row).all(axis=1).mean()
        assert abs(frequency - share) < 5 * np.sqrt(share * (1 - share) / len(draws))


@pytest.mark.parametrize("seed", range(3))
def test_a_column_has_the_sums_over_all_others(seed):
    circuit, *_ = mixture_case(seed)
    categories = [np.arange(n) for n in (2.0, 3.0, 2.0)]
    rows = rows_of(categories)
    sets = {0: ValueSet(np.array([1.0]))}
    found = condition(circuit, sets)
    rows = rows[rows[:, 0] == 1.0]
    shares = np.exp(log_likelihood(found.circuit, rows))
    expected = np.array([shares[rows[:, 1] == v].sum() for v in range(3)])
    support = Support(Interval(0.0, 2.0), 0.0, 2.0, categories[1], np.empty(0))
    mixed = ColumnMixture.of(found.circuit, 1, support)
    np.testing.assert_allclose(mixed.masses[0], expected, rtol=1e-9)
    np.testing.assert_allclose(np.exp(mixed.log_pdf(categories[1][None]))[0], expected, rtol=1e-9)
    np.testing.assert_allclose(
        mixed.cdf(np.array([[-1.0, 0.0, 1.5, 2.0]]))[0],
        [0.0, expected[0], expected[:2].sum(), 1.0],
        rtol=1e-9,
    )
    mean = (expected * np.arange(3)).sum()
    assert mixed.moments.means[0] == pytest.approx(mean)
    assert mixed.moments.variances[0] == pytest.approx(
        (expected * (np.arange(3) - mean) ** 2).sum()
    )
    assert mixed.entropy()[0] == pytest.approx(-(expected * np.log(expected)).sum())
    assert mixed.mode()[0] == expected.argmax()


def test_a_column_along_another_is_that_given_each_of_its_values():
    circuit, *_ = mixture_case(2)
    support = Support(Interval(0.0, 2.0), 0.0, 2.0, np.arange(3.0), np.empty(0))
    rows = np.full((2, 3), np.nan)
    rows[:, 0] = [0.0, 1.0]
    along = ColumnMixture.given_rows(circuit, rows, 1, support)
    for i, value in enumerate([0.0, 1.0]):
        given = condition(circuit, {0: ValueSet(np.array([value]))}).circuit
        alone = ColumnMixture.of(given, 1, support)
        np.testing.assert_allclose(along.masses[i], alone.masses[0], rtol=1e-9)
        np.testing.assert_allclose(along.moments.means[i], alone.moments.means[0], rtol=1e-9)
