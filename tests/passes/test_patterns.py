"""Distinct rows and subtree patterns against np.unique on every subtree."""

import numpy as np
import pytest
from helpers import build_patterns, chain, random_tree, star

from skpc._circuit.tree import depths_of
from skpc._data.distinct import distinct_rows
from skpc._passes.patterns import TASK_ROWS, row_codes


def random_symbols(rng, n_symbols, n_rows):
    return np.stack([rng.integers(0, n, n_rows) for n in n_symbols]).astype(np.int32)


def case(tree, n_regions, n_rows, largest):
    rng = np.random.default_rng(n_regions)
    parents = tree(n_regions) if tree in (chain, star) else tree(rng, n_regions)
    n_symbols = rng.integers(1, largest + 1, n_regions)
    return parents, random_symbols(rng, n_symbols, n_rows), n_symbols, rng.uniform(0.1, 2, n_rows)


CASES = {
    "one region": (chain, 1, 50, 9),
    "one row": (random_tree, 5, 1, 3),
    "chain": (chain, 9, 200, 3),
    "star": (star, 9, 200, 3),
    "random": (random_tree, 12, 300, 2),
    "large alphabets": (random_tree, 6, 300, 5000),
    "many patterns": (random_tree, 12, 3 * TASK_ROWS, 6),
}
cases = pytest.mark.parametrize(
    ("parents", "symbols", "n_symbols", "weights"),
    [case(*arguments) for arguments in CASES.values()],
    ids=CASES.keys(),
)


def subtree(parents, region):
    def is_below(r):
        while r not in (region, -1):
            r = parents[r]
        return r == region

    return [r for r in range(len(parents)) if is_below(r)]


def brute_codes(parents, symbols, region):
    """Number of each row's pattern below the region, by sorting."""
    return np.unique(symbols[subtree(parents, region)], axis=1, return_inverse=True)[1].ravel()


# --- distinct rows ---------------------------------------------------------------------

ALPHABETS = {
    "binary": [4] * 3,
    "one column": [7],
    "several words": [3] * 200,
    "large": [2**31 - 1, 2, 2**31 - 1, 2**31 - 1, 5],
    "words that just fill": [2**31 - 1, 2**31 - 1, 4, 4],
}
alphabets = pytest.mark.parametrize("n_symbols", ALPHABETS.values(), ids=ALPHABETS.keys())


def repeated_rows(n_symbols, n_rows=300, n_different=40):
    """Rows that differ from a few others in single, random places."""
    rng = np.random.default_rng(1)
    symbols = random_symbols(rng, n_symbols, 5)[:, rng.integers(0, 5, n_different)]
    place = rng.integers(0, len(n_symbols), n_different)
    symbols[place, np.arange(n_different)] = [rng.integers(n_symbols[p]) for p in place]
    symbols = np.ascontiguousarray(symbols[:, rng.integers(0, n_different, n_rows)])
    return symbols, np.array(n_symbols), rng.uniform(0.1, 2.0, n_rows)


def merged(symbols, n_symbols, weights):
    first, summed = distinct_rows(symbols, n_symbols, weights)
    return symbols[:, first], summed


@alphabets
def test_distinct_rows_are_those_of_numpy(n_symbols):
    symbols, n_symbols, weights = repeated_rows(n_symbols)
    rows, summed = merged(symbols, n_symbols, weights)
    expected, inverse = np.unique(symbols, axis=1, return_inverse=True)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(summed, np.bincount(inverse.ravel(), weights), rtol=1e-13)


@alphabets
def test_order_of_rows_does_not_change_bits(n_symbols):
    symbols, n_symbols, weights = repeated_rows(n_symbols)
    order = np.random.default_rng(2).permutation(len(weights))
    rows, summed = merged(symbols, n_symbols, weights)
    permuted = merged(np.ascontiguousarray(symbols[:, order]), n_symbols, weights[order])
    np.testing.assert_array_equal(permuted[0], rows)
    np.testing.assert_array_equal(permuted[1], summed)


@alphabets
def test_integer_weights_are_repetitions(n_symbols):
    symbols, n_symbols, _ = repeated_rows(n_symbols)
    times = np.random.default_rng(3).integers(1, 4, symbols.shape[1])
    rows, summed = merged(symbols, n_symbols, times.astype(float))
    copies = np.repeat(symbols, times, axis=1)
    repeated = merged(copies, n_symbols, np.ones(copies.shape[1]))
    np.testing.assert_array_equal(repeated[0], rows)
    np.testing.assert_array_equal(repeated[1], summed)


# --- patterns --------------------------------------------------------------------------


@cases
def test_codes_tell_apart_what_differs_below(parents, symbols, n_symbols, weights):
    codes, n_patterns, _ = row_codes(parents, symbols, n_symbols)
    for region in range(len(parents)):
        expected = brute_codes(parents, symbols, region)
        pairs = set(zip(codes[region].tolist(), expected.tolist(), strict=True))
        n_expected = expected.max() + 1
        assert n_patterns[region] == n_expected
        assert len(pairs) == n_expected
        assert sorted(code for code, _ in pairs) == list(range(n_expected))


@cases
def test_symbols_of_patterns(parents, symbols, n_symbols, weights):
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    codes = row_codes(parents, symbols, n_symbols).codes
    first_symbol = np.append(0, np.cumsum(n_symbols))
    for region in range(len(parents)):
        actual = patterns.symbols[patterns.row_start[region] + codes[region]]
        np.testing.assert_array_equal(actual, first_symbol[region] + symbols[region])


@cases
def test_child_codes_lead_to_the_childs_pattern(parents, symbols, n_symbols, weights):
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    codes = row_codes(parents, symbols, n_symbols).codes
    for region in np.flatnonzero(parents >= 0):
        links = patterns.code_start[region] + codes[parents[region]]
        np.testing.assert_array_equal(patterns.child_codes[links], codes[region])


@cases
def test_members_invert_child_codes(parents, symbols, n_symbols, weights):
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    for region in np.flatnonzero(parents >= 0):
        first = patterns.code_start[region]
        below = patterns.child_codes[first : first + patterns.n_patterns[parents[region]]]
        for t in range(patterns.n_patterns[region]):
            link = patterns.row_start[region] + region + t
            members = patterns.members[
                patterns.member_start[link] : patterns.member_start[link + 1]
            ]
            np.testing.assert_array_equal(members, np.flatnonzero(below == t))


@cases
def test_weights_of_patterns(parents, symbols, n_symbols, weights):
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    codes, n_patterns, _ = row_codes(parents, symbols, n_symbols)
    for region, first in enumerate(patterns.row_start[:-1]):
        np.testing.assert_allclose(
            patterns.weights[first : first + n_patterns[region]],
            np.bincount(codes[region], weights),
            rtol=1e-12,
        )


def test_rows_have_weight_one_by_default():
    parents, symbols, n_symbols, weights = case(*CASES["chain"])
    default = build_patterns(parents, symbols, n_symbols)
    ones = build_patterns(parents, symbols, n_symbols, np.ones_like(weights))
    np.testing.assert_array_equal(default.weights, ones.weights)


@cases
def test_message_rows_of_regions_do_not_overlap(parents, symbols, n_symbols, weights):
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    assert (np.diff(patterns.row_start) >= patterns.n_patterns).all()
    assert patterns.n_message_rows == patterns.row_start[-1]


def levels(tasks, starts):
    """(region, first, last, level) of every task."""
    assert starts[0] == 0
    assert starts[-1] == len(tasks)
    return np.column_stack([tasks, np.repeat(np.arange(len(starts) - 1), np.diff(starts))])


@cases
def test_tasks_cover_every_pattern_once(parents, symbols, n_symbols, weights):
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    for tasks, regions in (
        (patterns.up_tasks, range(len(parents))),
        (patterns.down_tasks, np.flatnonzero(parents >= 0)),
    ):
        covered = [(r, t) for r, first, last in tasks for t in range(first, last)]
        expected = [(r, t) for r in regions for t in range(patterns.n_patterns[r])]
        assert sorted(covered) == expected


@cases
def test_tasks_are_bounded(parents, symbols, n_symbols, weights):
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    for tasks in patterns.up_tasks, patterns.down_tasks:
        sizes = tasks[:, 2] - tasks[:, 1]
        assert ((sizes > 0) & (sizes <= TASK_ROWS)).all()


@cases
def test_tasks_wait_for_what_they_need(parents, symbols, n_symbols, weights):
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    up = {r: level for r, _, _, level in levels(patterns.up_tasks, patterns.up_levels)}
    down = {r: level for r, _, _, level in levels(patterns.down_tasks, patterns.down_levels)}
    for region in np.flatnonzero(parents >= 0):
        assert up[region] < up[parents[region]]
        assert down[region] > down.get(parents[region], -1)


@cases
def test_tasks_of_a_region_follow_each_other(parents, symbols, n_symbols, weights):
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    for before, after in zip(patterns.down_tasks, patterns.down_tasks[1:], strict=False):
        assert after[1] == (before[2] if after[0] == before[0] else 0)


@cases
def test_topdown_lists_parents_first(parents, symbols, n_symbols, weights):
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    assert sorted(patterns.topdown) == list(range(len(parents)))
    assert (np.diff(depths_of(parents)[patterns.topdown]) >= 0).all()


def test_many_patterns_need_several_tasks():
    parents, symbols, n_symbols, weights = case(*CASES["many patterns"])
    patterns = build_patterns(parents, symbols, n_symbols, weights)
    assert patterns.n_patterns.max() > TASK_ROWS


@cases
def test_patterns_for_the_upward_pass_alone_are_the_same(parents, symbols, n_symbols, weights):
    whole = build_patterns(parents, symbols, n_symbols, weights)
    part = build_patterns(parents, symbols, n_symbols, weights, upward_only=True)
    assert not len(part.members)
    assert not len(part.member_start)
    root = whole.roots[0]
    rows = slice(whole.row_start[root], whole.row_start[root] + whole.n_patterns[root])
    np.testing.assert_array_equal(part.weights[rows], whole.weights[rows])
    for name in set(whole._fields) - {"members", "member_start", "weights"}:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name), err_msg=name)
