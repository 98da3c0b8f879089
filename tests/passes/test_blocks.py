"""Blocks of rows: they cover the rows, keep their patterns, and fit into memory."""

import numpy as np
import pytest
from helpers import (
    chain,
    mixed_circuit,
    mixed_rows,
    mixture_case,
    random_circuit,
    random_rows,
    random_tree,
)
from scipy.sparse import csr_array

from skpc._passes.blocks import DEFAULT_MAX_BYTES, Memory, pass_bytes, pattern_blocks
from skpc._passes.likelihood import log_likelihood
from skpc._passes.messages import Messages
from skpc._passes.patterns import row_codes


def problem(n_rows=300, n_latents=4):
    rng = np.random.default_rng(0)
    circuit = mixed_circuit(rng, random_tree(rng, 7), [3, -2, 2, 0, -1, 2, 4], n_latents)
    return circuit, mixed_rows(rng, circuit, n_rows), rng.uniform(0.5, 2.0, n_rows)


def blocks_of(data, max_bytes=DEFAULT_MAX_BYTES, **options):
    circuit, X, weights = problem()
    rows = {"matrix": X, "sparse": csr_array(X), "evidence": circuit.inputs.encode(X)}[data]
    return list(pattern_blocks(circuit, rows, weights, Memory(max_bytes), **options))


sources = pytest.mark.parametrize("data", ["matrix", "sparse", "evidence"])
kinds = pytest.mark.parametrize("options", [{}, {"upward_only": True}, {"by_row": True}], ids=str)


@sources
@kinds
@pytest.mark.parametrize("max_bytes", [1, 40_000, DEFAULT_MAX_BYTES])
def test_blocks_take_every_row_once_and_in_order(data, options, max_bytes):
    blocks = blocks_of(data, max_bytes, **options)
    stops = [0, *(block.rows.stop for block in blocks)]
    assert [block.rows.start for block in blocks] == stops[:-1]
    assert stops[-1] == 300
    assert len(blocks) == {1: 300, DEFAULT_MAX_BYTES: 1}.get(max_bytes, len(blocks))
    assert len(blocks) > 3 or max_bytes == DEFAULT_MAX_BYTES


@sources
@kinds
def test_blocks_have_the_weights_and_likelihoods_of_their_rows(data, options):
    circuit, X, weights = problem()
    for block in blocks_of(data, 40_000, **options):
        patterns = block.patterns
        at_root = patterns.weights[patterns.message_rows(patterns.roots[0])]
        expected = np.bincount(patterns.root_codes, weights[block.rows])
        np.testing.assert_array_equal(at_root, expected)
        logs = block.after_upward(circuit).root_log_likelihoods(circuit, patterns)
        # A pattern has the same bits in every block.
        expected = log_likelihood(circuit, X[block.rows])
        np.testing.assert_array_equal(logs[patterns.root_codes], expected)
        np.testing.assert_array_equal(logs, expected[block.distinct])


@pytest.mark.parametrize("kind", ["tree", "mixture"])
def test_codes_are_found_again_from_the_links(kind):
    if kind == "tree":
        circuit, X, _ = problem()
    else:
        circuit, _, _, X, _ = mixture_case(0)
    evidence = circuit.inputs.encode(X)
    expected = row_codes(circuit.parents, evidence.dense_symbols, evidence.n_symbols).codes
    for upward_only in False, True:
        (block,) = pattern_blocks(circuit, evidence, upward_only=upward_only)
        np.testing.assert_array_equal(block.patterns.codes, expected)
    (block,) = pattern_blocks(circuit, evidence, by_row=True)
    np.testing.assert_array_equal(block.patterns.codes, [np.arange(len(X))] * circuit.n_regions)


def test_blocks_fit_into_memory():
    """Evidence is cut by its patterns, and a matrix as if rows shared none."""
    rng = np.random.default_rng(0)
    circuit = random_circuit(rng, chain(20), np.full(20, 2), 8)
    X = random_rows(rng, circuit, 2000)
    per_message, max_bytes = Messages.bytes_per_row(8), 200_000
    blocks = list(pattern_blocks(circuit, circuit.inputs.encode(X), memory=Memory(max_bytes)))
    assert len(blocks) > 5
    assert max(b.patterns.n_patterns.sum() for b in blocks) * per_message < max_bytes
    blocks = list(pattern_blocks(circuit, X, memory=Memory(max_bytes, per_row=1000)))
    largest = max(block.n_rows for block in blocks)
    # Ends of equal blocks are rounded to whole rows.
    assert (largest - 1) * (pass_bytes(circuit) + 1000) < max_bytes


def test_a_matrix_is_cut_again_where_patterns_take_too_much():
    circuit, X, _ = problem()

    def of_patterns(n_patterns):
        return 1000 * int(n_patterns.sum())

    memory = Memory(200_000, of_patterns=of_patterns)
    blocks = list(pattern_blocks(circuit, X, memory=memory))
    assert len(blocks) > len(list(pattern_blocks(circuit, X, memory=Memory(200_000))))
    assert all(of_patterns(block.patterns.n_patterns) < 200_000 for block in blocks)
