"""Mini-batches: how weights are dealt, and what is counted over them; stepwise EM by hand."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import oracle
import pytest
from helpers import (
    as_model,
    category_counts,
    gather,
    mixed_circuit,
    mixed_rows,
    parts_of,
    random_gaussian,
    random_tree,
    same_bits,
    small_case,
    smoothed_counts,
)

from skpc._learning.em import EStep, StepwiseEM, falling, fit_em, fit_stepwise_em
from skpc._learning.minibatches import Batches, deal
from skpc._learning.mstep import MStep
from skpc._learning.progress import Progress
from skpc._learning.watch import Run, Watch

pytestmark = pytest.mark.usefixtures("one_thread")

seeds = pytest.mark.parametrize("seed", range(4))
RTOL = 1e-11


def dealt(weights, batch_size, seed=0):
    return deal(np.asarray(weights, float), batch_size, np.random.RandomState(seed))


def totals_of(batches, n_rows):
    """The weight of each row over all batches (n_rows,)."""
    totals = np.zeros(n_rows)
    for rows, weights in batches:
        totals[rows] += weights
    return totals


WEIGHTS = {
    "ones": np.ones(100),
    "integers": np.arange(1.0, 60.0),
    "fractions": np.random.default_rng(0).uniform(0.01, 3.0, 80),
    "one heavy row": np.append(np.ones(50), 1000.0),
    "a light row": np.append(np.ones(50), 1e-60),
    "all light": np.full(30, 1e-3),
    "one row": np.array([37.5]),
}
each_weights = pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS.keys())
sizes = pytest.mark.parametrize("batch_size", [1, 7, 20.5, 1e6, np.inf])


# --- dealing ---------------------------------------------------------------------------


@each_weights
@sizes
def test_all_weight_is_dealt(weights, batch_size):
    batches = dealt(weights, batch_size)
    np.testing.assert_allclose(totals_of(batches, len(weights)), weights, rtol=1e-13)
    for rows, part in batches:
        assert (np.diff(rows) > 0).all()
        assert (part > 0).all()


@pytest.mark.parametrize("batch_size", [10, 25, 50])
def test_equal_rows_make_equal_batches(batch_size):
    sizes = [part.sum() for _, part in dealt(np.ones(100), batch_size)]
    assert sizes == [batch_size] * (100 // batch_size)


@each_weights
@sizes
def test_batches_weigh_about_the_same(weights, batch_size):
    """A batch differs from its share by one part at most, and is at least half of it."""
    total = weights.sum()
    n_shares = max(1, round(total / batch_size))
    part = max(min(1.0, weights.max()), weights.max() / n_shares)
    shares = [part_weights.sum() for _, part_weights in dealt(weights, batch_size)]
    assert len(shares) <= n_shares
    assert min(shares) >= 0.5 * total / n_shares * (1 - 1e-12)
    # A light share may have joined its neighbour.
    assert max(shares) <= 1.5 * total / n_shares + part


def test_a_last_heavy_part_does_not_shift_the_others():
    """Four parts of 15 among ones: no batch ends further from its share than half a part."""
    for seed in range(200):
        sizes = [part.sum() for _, part in dealt(np.append(np.ones(20), 60.0), 20, seed)]
        ends = np.cumsum(sizes)
        assert np.abs(ends - 20 * np.round(ends / 20)).max() <= 7.5 + 1e-9


def test_a_weight_of_two_is_dealt_like_two_rows():
    batches = dealt(np.full(50, 2.0), 10)
    assert any((part == 1.0).any() for _, part in batches)
    assert {value for _, part in batches for value in part} <= {1.0, 2.0}


def test_a_heavy_row_is_in_most_batches():
    batches = dealt(np.append(np.ones(500), 500.0), 50)
    assert len(batches) == 20
    assert sum(500 in rows for rows, _ in batches) >= 15
    # As if it were 500 rows: a batch has 25 of them, give or take a few.
    heavy = [part[rows == 500].sum() for rows, part in batches]
    assert np.std(heavy) < 25


def test_no_batch_is_made_of_next_to_nothing():
    """One part between two others whose middles are further apart than a share."""
    weights = np.array([0.2, 1.0, 1e-50, 1.0, 0.31])
    for seed in range(200):
        assert all(part.sum() > 0.4 for _, part in dealt(weights, 1, seed))


@each_weights
def test_the_same_seed_deals_the_same(weights):
    one, two, other = dealt(weights, 7), dealt(weights, 7), dealt(weights, 7, seed=1)
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a[0], b[0])
        assert np.array_equal(a[1], b[1])
    if len(one) > 1 and len(weights) > 1:
        assert any(not np.array_equal(a[0], b[0]) for a, b in zip(one, other, strict=False))


def test_batches_are_drawn_at_random():
    rows = dealt(np.ones(1000), 100)[0][0]
    assert abs(rows.mean() - 499.5) < 4 * 1000 / np.sqrt(12 * 100)
    assert len(np.unique(rows // 100)) > 5


@each_weights
@pytest.mark.parametrize("batch_size", [np.inf, 1e9])
def test_one_batch_has_the_weights_to_the_bit(weights, batch_size):
    ((rows, part),) = dealt(weights, batch_size)
    assert np.array_equal(rows, np.arange(len(weights)))
    assert np.array_equal(part, weights)


def test_more_batches_than_rows_share_the_rows():
    batches = dealt([10.0, 10.0], 2)
    assert len(batches) == 10
    assert all(part.sum() == pytest.approx(2.0) for _, part in batches)


def test_more_batches_than_parts_leave_none_empty():
    batches = dealt([0.9, 0.9, 0.9, 0.9], 1)
    assert [part.size for _, part in batches] == [1, 1, 1, 1]


def test_huge_weights_need_no_huge_memory():
    batches = dealt(np.full(200, 1e9), 1e9)
    assert 150 <= len(batches) <= 200
    np.testing.assert_allclose(totals_of(batches, 200), 1e9, rtol=1e-13)


def test_too_many_batches_are_refused():
    with pytest.raises(ValueError, match=r"batch_size=256 makes 3906250 batches.*sum to 1e\+09"):
        dealt([5e8, 5e8], 256)


def canonical(circuit, X, weights):
    evidence, weights, _ = circuit.inputs.encode(X).distinct(weights)
    return evidence, weights


def test_repeated_and_permuted_rows_deal_the_same():
    circuit, X, _ = small_case(1)
    weights = np.random.default_rng(0).integers(1, 5, len(X)).astype(float)
    order = np.random.default_rng(1).permutation(int(weights.sum()))
    repeated = np.repeat(X, weights.astype(int), axis=0)[order]
    results = []
    for table, table_weights in (X, weights), (repeated, np.ones(len(repeated))):
        evidence, merged = canonical(circuit, table, table_weights)
        batches = Batches(circuit, evidence, merged, 9, np.random.RandomState(0))
        results.append([batches.expected_counts(i, circuit) for i in range(len(batches))])
    for a, b in zip(*results, strict=True):
        for (name, one), (_, two) in zip(parts_of(a), parts_of(b), strict=True):
            assert np.array_equal(one, two), name


# --- counting --------------------------------------------------------------------------


def new_batches(circuit, X, weights, batch_size, **options):
    evidence = circuit.inputs.encode(X)
    return Batches(circuit, evidence, weights, batch_size, np.random.RandomState(0), **options)


def mixed_case(seed, kinds=(2, -1, 0, 3, -2)):
    rng = np.random.default_rng(seed)
    circuit = mixed_circuit(rng, random_tree(rng, len(kinds)), kinds, 3)
    X = mixed_rows(rng, circuit, 40)
    X[5] = np.nan
    X[7:10] = X[10:13]
    return circuit, X, rng.uniform(0.1, 3.0, 40)


@seeds
@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("case", [small_case, mixed_case])
def test_counts_of_all_batches_are_those_of_the_table(case, by_row, seed):
    circuit, X, weights = case(seed)
    batches = new_batches(circuit, X, weights, 6, by_row=by_row)
    assert len(batches) > 3
    parts = [batches.expected_counts(i, circuit, with_gate=not by_row) for i in range(len(batches))]
    total = parts[0]
    for part in parts[1:]:
        total.add(part)
    expected = dict(parts_of(gather(circuit, X, weights, with_gate=True)))
    for name, value in parts_of(total):
        if value is not None:
            np.testing.assert_allclose(value, expected[name], rtol=RTOL, atol=1e-10, err_msg=name)
    assert batches.weights.sum() == pytest.approx(weights.sum(), rel=1e-13)


@seeds
def test_counts_of_a_batch_are_those_of_its_rows(seed):
    circuit, X, weights = small_case(seed)
    batches = new_batches(circuit, X, weights, 9)
    parts = deal(weights, 9, np.random.RandomState(0))
    assert len(parts) == len(batches) > 1
    for i, (rows, part_weights) in enumerate(parts):
        root, sums, symbols = oracle.expected_counts(as_model(circuit), X[rows], part_weights)
        counts = batches.expected_counts(i, circuit)
        np.testing.assert_allclose(counts.root, root, rtol=1e-9)
        edges = circuit.parents >= 0
        np.testing.assert_allclose(counts.sums[edges], sums[edges], rtol=1e-9)
        np.testing.assert_allclose(counts.inputs[0], category_counts(symbols), rtol=1e-9)
        logs = oracle.log_likelihood(as_model(circuit), X[rows])
        assert counts.log_likelihood == pytest.approx(part_weights @ logs, rel=1e-10)
        assert batches.weights[i] == part_weights.sum()


def test_rows_with_a_batch_of_their_own_have_patterns_of_their_own():
    circuit, X, weights = small_case(1)

    def n_patterns(**options):
        ((_, _, patterns),) = new_batches(circuit, X, weights, np.inf, **options).blocks(0)
        return patterns.n_patterns.sum()

    assert n_patterns() < n_patterns(by_row=True) == len(X) * circuit.n_regions


@pytest.mark.parametrize("by_row", [False, True])
def test_memory_bounds_what_is_kept_and_what_is_done_at_once(by_row):
    circuit, X, weights = mixed_case(1)
    roomy = new_batches(circuit, X, weights, 20, by_row=by_row)
    tight = new_batches(circuit, X, weights, 20, by_row=by_row, max_bytes=2000)
    for i in range(len(roomy)):
        assert roomy.blocks(i) is roomy.blocks(i)
        assert tight.blocks(i) is not tight.blocks(i)
        assert len(tight.blocks(i)) > len(roomy.blocks(i)) == 1
        expected = dict(parts_of(roomy.expected_counts(i, circuit)))
        for name, value in parts_of(tight.expected_counts(i, circuit)):
            if value is not None:
                np.testing.assert_allclose(value, expected[name], rtol=1e-10, err_msg=name)


def test_patterns_found_anew_make_the_same_counts():
    circuit, X, weights = mixed_case(1)
    roomy = new_batches(circuit, X, weights, 8)
    some = new_batches(circuit, X, weights, 8, max_bytes=12_000)
    is_kept = [some.blocks(i) is some.blocks(i) for i in range(len(some))]
    assert 0 < sum(is_kept) < len(some)
    for i in range(len(some)):
        assert len(some.blocks(i)) == 1
        expected = dict(parts_of(roomy.expected_counts(i, circuit)))
        for name, value in parts_of(some.expected_counts(i, circuit)):
            np.testing.assert_array_equal(value, expected[name], err_msg=name)


# --- averages --------------------------------------------------------------------------


def test_scaled_counts_are_those_of_scaled_weights():
    circuit, X, weights = mixed_case(0)
    counts = gather(circuit, X, weights, with_gate=True)
    counts.scale(3.0)
    expected = dict(parts_of(gather(circuit, X, 3.0 * weights, with_gate=True)))
    for name, value in parts_of(counts):
        if value is not None:
            np.testing.assert_allclose(value, expected[name], rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("step", [0.0, 0.3, 1.0])
def test_moved_counts_are_an_average(step):
    circuit, X, weights = mixed_case(1)
    options = {"with_gate": True, "with_moments": True}
    one, two = (gather(circuit, X, w, **options) for w in (weights, weights[::-1]))
    expected = {
        name: (1 - step) * value + step * dict(parts_of(two))[name] for name, value in parts_of(one)
    }
    one.move_towards(two, step)
    for name, value in parts_of(one):
        np.testing.assert_allclose(value, expected[name], rtol=1e-13, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("m", [1, 2, 4])
def test_recentred_moments_are_those_about_the_new_means(m):
    rng = np.random.default_rng(m)
    old, new = random_gaussian(rng, 3, m), random_gaussian(rng, 3, m)
    X, counts = rng.normal(0, 2, (30, m)), rng.uniform(0.1, 2.0, (30, 3))
    moments = new.recentred(old.summarize(X, counts), old)
    np.testing.assert_allclose(moments, new.summarize(X, counts), rtol=1e-11, atol=1e-11)


def test_recentred_moments_fit_the_same_gaussian():
    """Also with missing entries: what is filled in is as before."""
    rng = np.random.default_rng(0)
    old, new = random_gaussian(rng, 3, 2), random_gaussian(rng, 3, 2)
    X, counts = rng.normal(0, 2, (30, 2)), rng.uniform(0.1, 2.0, (30, 3))
    X[rng.random(X.shape) < 0.3] = np.nan
    moments = old.summarize(X, counts)
    expected, actual = old.updated(moments), new.updated(new.recentred(moments, old))
    np.testing.assert_allclose(actual.means, expected.means, rtol=1e-11)
    np.testing.assert_allclose(actual.covariances, expected.covariances, rtol=1e-10)


def test_inputs_recentre_their_gaussians_and_nothing_else():
    circuit, X, weights = mixed_case(2)
    counts = gather(circuit, X, weights)
    updated = circuit.inputs.updated(counts.inputs, 0.1)
    first, *moments = updated.recentred(counts.inputs, circuit.inputs)
    assert np.array_equal(first, counts.inputs[0])
    assert len(moments) == 2
    for (region, gaussian), part, old in zip(
        updated.distributions.items(), moments, counts.inputs[1:], strict=True
    ):
        expected = gaussian.recentred(old, circuit.inputs.distributions[region])
        assert np.array_equal(part, expected)
        # After maximum likelihood the first moments about the new means vanish.
        np.testing.assert_allclose(part[:, 1 : 1 + gaussian.means.shape[1]], 0, atol=1e-10)


# --- stepwise EM -----------------------------------------------------------------------


@dataclass
class Record:
    """Stands in for `Progress`: keeps every circuit and value, never stops."""

    circuits: list = field(default_factory=list)
    values: list = field(default_factory=list)
    is_stepwise: bool = False
    run: Run = field(default_factory=lambda: Run(Watch(), "", 1))

    @property
    def n_iter(self):
        return len(self.circuits)

    def update(self, circuit, log_likelihood):
        self.circuits.append(circuit)
        self.values.append(log_likelihood)
        return False

    def result(self):
        return self


def stepwise(circuit, batches, m_step, *, step_size=0.5, max_iter=1, seed=3):
    return fit_stepwise_em(
        circuit, Record(), batches, m_step, step_size, max_iter, np.random.RandomState(seed)
    )


@pytest.mark.parametrize("case", [small_case, mixed_case])
@pytest.mark.parametrize("regularizer", ["global", "gated"])
def test_one_batch_starts_as_em_does(case, regularizer):
    circuit, X, weights = case(1)
    m_step = MStep(0.1, regularizer, pseudocount=0.1)
    e_step = EStep(circuit, circuit.inputs.encode(X), weights, with_gate=m_step.needs_gate)
    plain = fit_em(circuit, Progress(circuit, tol=0.0), e_step, m_step, 1)
    result = stepwise(circuit, new_batches(circuit, X, weights, np.inf), m_step)
    assert same_bits(result.circuits[0], plain.circuit)
    assert result.values == list(plain.log_likelihoods)


def test_the_gate_of_batches_matters():
    circuit, X, weights = small_case(1)
    batches = new_batches(circuit, X, weights, 9)
    gated, not_gated = (
        stepwise(circuit, batches, MStep(0.5, regularizer), max_iter=3).circuits[-1]
        for regularizer in ("gated", "global")
    )
    gated.check()
    assert np.abs(gated.sum_weights - not_gated.sum_weights).max() > 1e-3


def test_steps_fall_like_a_power_of_the_epoch():
    assert falling(0) == 1.0
    assert falling(2) == pytest.approx(2**-0.6)
    assert falling(30) == pytest.approx(16**-0.6)


def test_the_last_epoch_does_not_decide_the_first_ones():
    """A fit for so many epochs is a longer one up to there: that is what a refit repeats."""
    circuit, X, weights = small_case(2)
    batches = new_batches(circuit, X, weights, 9)
    short, long = (stepwise(circuit, batches, MStep(0.1), max_iter=n) for n in (3, 7))
    assert all(map(same_bits, short.circuits, long.circuits[:3]))
    assert short.values == long.values[:3]
    assert not same_bits(long.circuits[2], long.circuits[3])


@seeds
@pytest.mark.parametrize("step_size", [0.05, 0.6])
def test_two_batches_by_hand(seed, step_size):
    """The recursion of averaged counts, by the oracle; weights normalise them."""
    circuit, X, weights = small_case(seed)
    batches = new_batches(circuit, X, weights, weights.sum() / 2)
    parts = deal(weights, weights.sum() / 2, np.random.RandomState(0))
    assert len(parts) == len(batches) == 2
    result = stepwise(circuit, batches, MStep(), step_size=step_size, max_iter=4)
    order = np.random.RandomState(3)
    edges = circuit.parents >= 0

    def counts_of(circuit, i):
        rows, part_weights = parts[i]
        model = as_model(circuit)
        root, sums, symbols = oracle.expected_counts(model, X[rows], part_weights)
        log_likelihood = part_weights @ oracle.log_likelihood(model, X[rows])
        return log_likelihood, [root, sums[edges], category_counts(symbols)]

    def normalised(counts):
        root, below, categories = counts
        sum_weights = circuit.sum_weights.copy()
        sum_weights[edges] = below / below.sum(axis=-1, keepdims=True)
        inputs = replace_probs(circuit.inputs, categories)
        return replace(
            circuit, root_weights=root / root.sum(), sum_weights=sum_weights, inputs=inputs
        )

    def added(*counts):
        return [sum(parts) for parts in zip(*counts, strict=True)]

    (first, average), (second, other) = (counts_of(circuit, i) for i in range(2))
    average = added(average, other)
    circuit = normalised(average)
    expected = [(first + second, circuit)]
    for step in (step_size, step_size * 1.5**-0.6, step_size * 2**-0.6):
        log_likelihood, of_epoch = 0.0, []
        for i in order.permutation(2):
            own, counts = counts_of(circuit, i)
            log_likelihood += own
            of_epoch.append(counts)
            factor = step * weights.sum() / parts[i][1].sum()
            average = [(1 - step) * a + factor * b for a, b in zip(average, counts, strict=True)]
            circuit = normalised(average)
        expected.append((log_likelihood, normalised(added(*of_epoch))))
    found = zip(result.values, result.circuits, strict=True)
    for (value, after), (log_likelihood, by_hand) in zip(found, expected, strict=True):
        assert value == pytest.approx(log_likelihood / weights.sum(), rel=1e-9)
        np.testing.assert_allclose(after.root_weights, by_hand.root_weights, rtol=1e-8)
        np.testing.assert_allclose(after.sum_weights, by_hand.sum_weights, rtol=1e-8)
        np.testing.assert_allclose(after.inputs.probs, by_hand.inputs.probs, rtol=1e-8, atol=1e-29)


def replace_probs(inputs, counts):
    probs = counts.copy()
    for first, last in pairwise(inputs.start):
        probs[first:last] /= probs[first:last].sum(axis=0)
    # Categories that no row shows have the smallest weight.
    probs = np.maximum(probs, 1e-30)
    return type(inputs)(inputs.features, inputs.categories, probs, inputs.unseen, {})


@pytest.mark.parametrize("step", [0.1, 0.9])
def test_two_batches_of_one_gaussian_by_hand(step):
    """One state: averaged raw moments, each batch's mean in its scale, give mean and variance."""
    rng = np.random.default_rng(0)
    circuit = mixed_circuit(rng, np.array([-1]), [-1], 1)
    X = rng.normal(100.0, 2.0, (12, 1))
    weights = rng.uniform(0.5, 2.0, 12)
    batches = new_batches(circuit, X, weights, weights.sum() / 2)
    parts = deal(weights, weights.sum() / 2, np.random.RandomState(0))

    def moments_of(rows, weights):
        # EM of one state needs no responsibilities; moments are about 100.
        return np.array([np.average((X[rows, 0] - 100.0) ** k, weights=weights) for k in (1, 2)])

    def assert_fits(circuit, moments):
        gaussian = circuit.inputs.distributions[0]
        assert gaussian.means[0, 0] == pytest.approx(100.0 + moments[0], rel=1e-12)
        variance = moments[1] - moments[0] ** 2
        assert gaussian.covariances[0, 0, 0] == pytest.approx(variance, rel=1e-9)

    learner = StepwiseEM(batches, MStep())
    circuit, _ = learner.begin(circuit)
    moments = of_all = moments_of(slice(None), weights)
    assert_fits(circuit, of_all)
    for _ in range(3):
        order = rng.permutation(2)
        circuit, averaged, _ = learner.epoch(circuit, order, step)
        for i in order:
            moments = moments + step * (moments_of(*parts[i]) - moments)
        assert_fits(circuit, moments)
        assert_fits(averaged, of_all)


def test_the_pseudocount_means_what_it_does_on_all_rows():
    """One state: averages of scaled counts are frequencies, to which it is added once."""
    circuit, X, weights = small_case(4, n_regions=2, n_latents=1)
    X = np.repeat(X[:1], 25, axis=0)  # every batch is alike
    X[:] = [distribution.categories[0] for distribution in by_column(circuit)]
    batches = new_batches(circuit, X, weights, 5)
    after = stepwise(circuit, batches, MStep(pseudocount=2.0), max_iter=2).circuits[-1]
    for distribution in after.inputs:
        counts = np.zeros((1, len(distribution.categories)))
        counts[0, 0] = weights.sum()
        counts = smoothed_counts(counts, 2.0, 1.0)
        expected = counts[0, 0] / counts.sum()
        assert distribution.probs[0, 0] == pytest.approx(expected, rel=1e-12)


def by_column(circuit):
    pairs = sorted(
        zip((f[0] for f in circuit.features), circuit.inputs, strict=True), key=lambda p: p[0]
    )
    return [distribution for _, distribution in pairs]


def test_a_batch_without_values_of_a_column_leaves_its_gaussian():
    rng = np.random.default_rng(0)
    circuit = mixed_circuit(rng, np.array([-1, 0]), [-1, 2], 2)
    (column,) = circuit.features[0]
    X = mixed_rows(rng, circuit, 20, missing=0.0)
    X[:, column] = np.nan
    batches = new_batches(circuit, X, np.ones(20), 5)
    after = stepwise(circuit, batches, MStep(mu=0.1, pseudocount=0.1), max_iter=2).circuits[-1]
    before = circuit.inputs.distributions[0]
    assert np.array_equal(after.inputs.distributions[0].means, before.means)
    assert np.array_equal(after.inputs.distributions[0].covariances, before.covariances)
    after.check()


def test_few_rows_are_not_dealt_to_far_more_batches_than_there_are_rows():
    with pytest.raises(ValueError, match=r"makes 39062 batches of 2 distinct rows.*'auto'"):
        dealt([5e6, 5e6], 256)
    assert len(dealt(np.ones(20_000), 1)) == 20_000


def test_a_batch_may_be_larger_than_any_number():
    assert len(dealt([1.0, 2.0], 10**400)) == 1
