"""Mutual information from tables, the best of all trees, the best of all roots."""

from itertools import product

import numpy as np
import pytest
from helpers import random_tree, rows_of

from skpc._data.evidence import Evidence, encode
from skpc._learning.mutual_information import expected_by_chance, pairwise_mutual_information
from skpc._learning.structure import Structure, best_root, learn_structure, maximum_spanning_tree
from skpc._threads import use_threads


def correlated_symbols(rng, n_categories, n_rows, missing):
    """Columns that share a latent state; missing values are n_categories[j] or beyond."""
    latent = rng.integers(0, 3, n_rows)
    symbols = np.stack(
        [
            (rng.integers(0, n, n_rows) * rng.integers(0, 2, n_rows) + latent) % n
            for n in n_categories
        ]
    )
    holes = rng.random(symbols.shape) < missing
    symbols = np.where(holes, np.array(n_categories)[:, None] + rng.integers(0, 2), symbols)
    return symbols.astype(np.int32)


def brute_information(symbols, n_categories, weights, pseudocount, i, j):
    table = np.full((n_categories[i], n_categories[j]), 0.0)
    table += pseudocount / table.size
    for a, b, weight in zip(symbols[i], symbols[j], weights, strict=True):
        if a < n_categories[i] and b < n_categories[j]:
            table[a, b] += weight
    if table.sum() == 0:
        return 0.0
    table /= table.sum()
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    return sum(
        p * np.log(p / (rows[a] * columns[b])) for (a, b), p in np.ndenumerate(table) if p > 0
    )


def brute_matrix(symbols, n_categories, weights, pseudocount):
    d = len(n_categories)
    information = np.zeros((d, d))
    for i, j in product(range(d), repeat=2):
        if i != j:
            information[i, j] = brute_information(symbols, n_categories, weights, pseudocount, i, j)
    return information


def data(seed, d=6, n_rows=150, missing=0.2, integer=False):
    rng = np.random.default_rng(seed)
    n_categories = rng.integers(1, 5, d)
    symbols = correlated_symbols(rng, n_categories, n_rows, missing)
    weights = rng.integers(1, 300, n_rows) if integer else rng.uniform(0.1, 3.0, n_rows)
    return symbols, n_categories, weights


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("pseudocount", [0.0, 0.01, 2.0])
@pytest.mark.parametrize("integer", [False, True])
def test_mutual_information(seed, missing, pseudocount, integer):
    symbols, n_categories, weights = data(seed, missing=missing, integer=integer)
    actual = pairwise_mutual_information(symbols, n_categories, weights, pseudocount)
    expected = brute_matrix(symbols, n_categories, weights, pseudocount)
    # Near independence it is a small difference of large terms.
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("integer", [False, True])
def test_mutual_information_of_rows_in_blocks(monkeypatch, integer):
    symbols, n_categories, weights = data(0, n_rows=500, integer=integer)
    monkeypatch.setattr("skpc._learning.mutual_information._BLOCK_CELLS", 600)
    actual = pairwise_mutual_information(symbols, n_categories, weights, 0.1)
    expected = brute_matrix(symbols, n_categories, weights, 0.1)
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-13)


def test_mutual_information_of_a_copy_is_the_entropy():
    symbols, n_categories, weights = data(1, d=1, missing=0.0)
    n_categories[:] = 4
    symbols = np.concatenate([symbols, symbols])
    p = np.bincount(symbols[0], weights) / weights.sum()
    entropy = -(p[p > 0] * np.log(p[p > 0])).sum()
    actual = pairwise_mutual_information(symbols, np.array([4, 4]), weights, 0.0)
    np.testing.assert_allclose(actual, [[0, entropy], [entropy, 0]], rtol=1e-12)


def test_columns_never_observed_together_share_nothing():
    symbols = np.array([[0, 1, 0, 1, 2, 2], [2, 2, 2, 2, 0, 1]], np.int32)
    actual = pairwise_mutual_information(symbols, np.array([2, 2]), np.ones(6), 0.0)
    np.testing.assert_array_equal(actual, np.zeros((2, 2)))


def test_threads_do_not_change_bits():
    symbols, n_categories, weights = data(2, d=30, n_rows=900)
    results = []
    for n_threads in 1, 2:
        with use_threads(n_threads):
            results.append(pairwise_mutual_information(symbols, n_categories, weights, 0.1))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_independent_columns_share_what_chance_makes_of_them(weight):
    rng = np.random.default_rng(0)
    n_categories = np.array([2, 4, 9, 9])  # of the last one only five are ever seen
    found = []
    for _ in range(300):
        symbols = np.stack([rng.integers(0, c, 200) for c in (2, 4, 9, 5)]).astype(np.int32)
        symbols[1, rng.random(200) < 0.2] = 4  # missing
        found.append(pairwise_mutual_information(symbols, n_categories, np.ones(200), 0.0))
    expected = expected_by_chance(symbols, n_categories, np.full(200, weight))
    np.testing.assert_array_equal(expected, expected.T)
    pairs = np.triu_indices(4, 1)
    np.testing.assert_allclose(np.mean(found, axis=0)[pairs], weight * expected[pairs], rtol=0.12)


def test_labels_of_many_categories_are_no_neighbours_of_all_others():
    rng = np.random.default_rng(0)
    n = 300
    cause = rng.integers(0, 3, n)
    X = np.stack([np.where(rng.random(n) < 0.6, cause, rng.integers(0, 3, n)) for _ in range(6)])
    X = np.concatenate([rng.integers(0, 60, (1, n)), X]).T
    known = [np.arange(60.0), *[np.arange(3.0)] * 6]
    rows = rows_of(encode(X.astype(float), [np.array([j]) for j in range(7)], known))
    _, parents = learn_structure(rows, Structure(groups=[]), 4, 0.1, np.random.RandomState(0))
    degree = (parents == 0).sum() + (parents[0] >= 0)
    assert degree == 1


# --- the best tree ---------------------------------------------------------------------


def all_trees(d):
    """Edges of every labelled tree, from Pruefer sequences."""
    if d == 1:
        yield []
        return
    for sequence in product(range(d), repeat=d - 2):
        degrees = [1 + sequence.count(node) for node in range(d)]
        edges = []
        for node in sequence:
            leaf = degrees.index(1)
            edges.append((leaf, node))
            degrees[leaf] -= 1
            degrees[node] -= 1
        edges.append(tuple(node for node in range(d) if degrees[node] == 1))
        yield edges


def total(similarity, edges):
    return sum(similarity[a, b] for a, b in edges)


def assert_is_best(similarity, edges):
    d = len(similarity)
    joined = list(range(d))
    for a, b in edges:
        assert joined[a] != joined[b]
        joined = [joined[a] if node == joined[b] else node for node in joined]
    assert len(edges) == d - 1
    best = max(total(similarity, tree) for tree in all_trees(d))
    # Of equally good trees any will do.
    assert total(similarity, edges) == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 6])
def test_spanning_tree_is_the_best_of_all(d, seed):
    similarity = np.random.default_rng(seed).exponential(size=(d, d))
    similarity += similarity.T
    assert_is_best(similarity, maximum_spanning_tree(similarity))


SIMILARITIES = {
    "all zero": np.zeros((5, 5)),
    "all equal": np.ones((5, 5)),
    "two blocks": np.kron(np.eye(2), np.ones((3, 3))),
    "tiny": 1e-300 * np.arange(25.0).reshape(5, 5) * np.arange(25.0).reshape(5, 5).T,
    "a constant column": np.pad(np.ones((4, 4)), (0, 1)),
}


@pytest.mark.parametrize("similarity", SIMILARITIES.values(), ids=SIMILARITIES.keys())
def test_spanning_tree_of_ties_and_zeros(similarity):
    assert_is_best(similarity, maximum_spanning_tree(similarity))


def test_very_unequal_similarities_still_order():
    similarity = np.zeros((4, 4))
    for value, (a, b) in zip(
        [5.0, 1e-9, 2e-9, 3e-9], [(0, 1), (1, 2), (0, 2), (2, 3)], strict=True
    ):
        similarity[a, b] = similarity[b, a] = value
    edges = {frozenset(edge) for edge in maximum_spanning_tree(similarity).tolist()}
    assert edges == {frozenset(edge) for edge in [(0, 1), (0, 2), (2, 3)]}


# --- the best root ---------------------------------------------------------------------


def edges_of(parents):
    below = np.flatnonzero(parents >= 0)
    return np.stack([below, parents[below]], axis=1)


def reachable(edges, start, without):
    """Regions on the side of `start` when `without` is cut off."""
    side = {start}
    grew = True
    while grew:
        grew = False
        for a, b in np.concatenate([edges, edges[:, ::-1]]).tolist():
            if a in side and b != without and b not in side:
                side.add(b)
                grew = True
    return sorted(side)


def total_patterns(edges, symbols, root):
    """Distinct rows below every region, the tree hung from `root`."""
    count = np.unique(symbols, axis=1).shape[1]
    todo, seen = [root], {root}
    while todo:
        v = todo.pop()
        for a, b in np.concatenate([edges, edges[:, ::-1]]).tolist():
            if a == v and b not in seen:
                seen.add(b)
                todo.append(b)
                count += np.unique(symbols[reachable(edges, b, v)], axis=1).shape[1]
    return count


@pytest.mark.parametrize("seed", range(15))
def test_root_has_the_fewest_patterns(seed):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 13))
    edges = edges_of(random_tree(rng, d))
    n_symbols = rng.integers(1, 7, d)
    symbols = np.stack([rng.integers(0, n, 150) for n in n_symbols]).astype(np.int32)
    counts = [total_patterns(edges, symbols, root) for root in range(d)]
    assert counts[best_root(edges, symbols, n_symbols)] == min(counts)


# --- all together ----------------------------------------------------------------------


def learn(symbols, n_categories, weights, pseudocount):
    """The tree over categorical columns, one region each."""
    evidence = Evidence(symbols, n_categories + 2, (None,) * len(symbols))
    unused = np.random.RandomState(0)
    rows = rows_of(evidence, weights)
    features, parents = learn_structure(rows, Structure(), 3, pseudocount, unused)
    assert [list(columns) for columns in features] == [[j] for j in range(len(symbols))]
    return parents


@pytest.mark.parametrize("seed", range(4))
def test_chow_liu_tree_is_best_and_best_rooted(seed):
    symbols, n_categories, weights = data(seed, missing=0.1)
    symbols = np.minimum(symbols, n_categories[:, None])
    parents = learn(symbols, n_categories, weights, 0.01)
    edges = edges_of(parents)
    information = brute_matrix(symbols, n_categories, weights, 0.01)
    best = max(total(information, tree) for tree in all_trees(len(parents)))
    assert total(information, edges) == pytest.approx(best, rel=1e-9)
    counts = [total_patterns(edges, symbols, root) for root in range(len(parents))]
    assert counts[int(np.flatnonzero(parents < 0)[0])] == min(counts)


def test_copies_and_constants_are_placed():
    symbols, _, weights = data(3, d=3, missing=0.0)
    symbols = np.concatenate([symbols, symbols[:1], np.zeros_like(symbols[:1])])
    symbols[0] = symbols[3] = np.random.default_rng(0).integers(0, 2, symbols.shape[1])
    n_categories = symbols.max(axis=1) + 1
    parents = learn(symbols, n_categories, weights, 0.0)
    assert {0, 3} in [set(edge) for edge in edges_of(parents).tolist()]
    assert np.count_nonzero(parents < 0) == 1


def test_one_column_is_its_own_root():
    symbols = np.array([[0, 1, 2, 1]], np.int32)
    parents = learn(symbols, np.array([3]), np.ones(4), 0.1)
    assert parents.tolist() == [-1]


# --- other structures ------------------------------------------------------------------


def evidence_of(seed, d=6):
    """Columns that hang together, two of them continuous copies of each other."""
    rng = np.random.default_rng(seed)
    latent = rng.integers(0, 2, 200)
    X = (rng.random((200, d)) < 0.2 + 0.6 * latent[:, None]).astype(float)
    X[:, 1] = rng.normal(size=200) + latent
    X[:, 4] = X[:, 1] + 0.01 * rng.normal(size=200)
    categories = [None if j in (1, 4) else np.array([0.0, 1.0]) for j in range(d)]
    return encode(X, [np.array([j]) for j in range(d)], categories)


def shape(kind, groups=None, seed=0, **options):
    structure = Structure(kind, groups, **options)
    random_state = np.random.RandomState(seed)
    return learn_structure(rows_of(evidence_of(0)), structure, 3, 0.1, random_state)


def lists(features):
    return [columns.tolist() for columns in features]


def test_chain_links_columns_in_their_order():
    features, parents = shape("chain")
    assert lists(features) == [[j] for j in range(6)]
    assert {frozenset(edge) for edge in edges_of(parents).tolist()} == {
        frozenset([j, j + 1]) for j in range(5)
    }
    symbols = evidence_of(0).symbols
    counts = [total_patterns(edges_of(parents), symbols, root) for root in range(6)]
    assert counts[int(np.flatnonzero(parents < 0)[0])] == min(counts)


def test_chain_of_groups_that_are_asked_for():
    features, parents = shape("chain", [[4, 1]])
    assert lists(features) == [[0], [1, 4], [2], [3], [5]]
    assert {frozenset(edge) for edge in edges_of(parents).tolist()} == {
        frozenset([j, j + 1]) for j in range(4)
    }


def test_star_has_the_most_informative_column_at_its_hub():
    rng = np.random.default_rng(0)
    hub = rng.integers(0, 8, 3000)
    symbols = np.stack([hub & 1, hub >> 1 & 1, hub, hub >> 2]).astype(np.int32)
    evidence = Evidence(symbols, symbols.max(axis=1) + 3, (None,) * 4)
    _, parents = learn_structure(
        rows_of(evidence), Structure("star"), 3, 0.1, np.random.RandomState(0)
    )
    assert parents.tolist() == [2, 2, -1, 2]


def test_what_a_group_says_of_itself_does_not_make_it_the_hub():
    rng = np.random.default_rng(0)
    latent = rng.integers(0, 2, 400)
    X = (rng.random((400, 5)) < 0.1 + 0.8 * latent[:, None]).astype(float)
    X[:, 3] = rng.normal(size=400)
    X[:, 4] = X[:, 3]
    categories = [*(np.array([0.0, 1.0]) for _ in range(3)), None, None]
    evidence = encode(X, [np.array([j]) for j in range(5)], categories)
    features, parents = learn_structure(
        rows_of(evidence), Structure("star"), 3, 0.1, np.random.RandomState(0)
    )
    assert lists(features) == [[0], [1], [2], [3, 4]]
    assert parents[3] >= 0


def test_star_of_one_column():
    evidence = Evidence(np.array([[0, 1]], np.int32), np.array([4]), (None,))
    _, parents = learn_structure(
        rows_of(evidence), Structure("star"), 3, 0.1, np.random.RandomState(0)
    )
    assert parents.tolist() == [-1]


@pytest.mark.parametrize("kind", ["star", "rat"])
def test_correlated_columns_stay_together(kind):
    features, _ = shape(kind)
    assert [1, 4] in lists(features)
    assert [1] not in lists(features)


def test_given_parents_take_columns_one_by_one():
    features, parents = shape([1, -1, 1, 2, 2, 4])
    assert lists(features) == [[j] for j in range(6)]
    assert parents.tolist() == [1, -1, 1, 2, 2, 4]


def test_given_parents_exclude_groups():
    with pytest.raises(ValueError, match=r"feature_groups=\[\[1, 4\]\].*structure.*=None"):
        shape([1, -1, 1, 2, 2, 4], [[1, 4]])


def test_random_trees_depend_on_the_seed_and_number():
    first, again, other = (shape("rat", seed=seed, n_components=3) for seed in (0, 0, 1))
    assert lists(first[0]) == lists(again[0])
    assert lists(first[0]) != lists(other[0])
    assert np.count_nonzero(first[1] < 0) == 3
    assert np.count_nonzero(shape("rat", n_components=7)[1] < 0) == 7
