"""Posteriors of latent states given what each row shows, and rows completed by them.

Everything is exact and takes one upward pass over subtree patterns; what goes down again is one
array a region over the distinct rows, in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from skpc._circuit import Circuit
from skpc._evidence import Evidence
from skpc._flows import DEFAULT_MAX_BYTES, Messages, row_blocks
from skpc._gaussian import Gaussian
from skpc._inputs import Categorical
from skpc._patterns import Patterns, build_patterns
from skpc._threads import one_blas_thread
from skpc._tree import tree_of_region

STRATEGIES = ("mean_mode", "sample", "max_product")


@dataclass(frozen=True)
class _Block:
    """Some rows of a table: their patterns, and how to go down from the roots'.

    Attributes
    ----------
    X : (n, n_features) float64, NaN missing
    evidence : Evidence
    patterns : Patterns
    """

    circuit: Circuit
    X: np.ndarray
    evidence: Evidence
    patterns: Patterns

    @classmethod
    def of(cls, circuit: Circuit, X: np.ndarray) -> _Block:
        evidence = circuit.inputs.encode(X)
        patterns = build_patterns(circuit.parents, evidence.dense_symbols, evidence.n_symbols)
        return cls(circuit, X, evidence, patterns)

    @property
    def representatives(self) -> np.ndarray:
        """One row (n_distinct,) for each pattern of the roots."""
        return np.unique(self.patterns.root_codes, return_index=True)[1]

    def message_rows(self, region: int) -> slice:
        first = self.patterns.row_start[region]
        return slice(first, first + self.patterns.n_patterns[region])

    def links(self, region: int) -> np.ndarray:
        """The pattern of a region below each pattern of its parent."""
        first = self.patterns.code_start[region]
        n_links = self.patterns.n_patterns[self.patterns.parents[region]]
        return self.patterns.child_codes[first : first + n_links]

    def upward(self) -> Messages:
        circuit = self.circuit
        messages = Messages(self.patterns.n_message_rows, circuit.n_regions, circuit.n_latents)
        messages.upward(circuit, self.evidence, self.patterns)
        return messages

    def root_posteriors(self, messages: Messages) -> np.ndarray:
        """P(z_root = k | row) (n_distinct, n_roots * K) of the distinct rows."""
        rows = np.stack(
            [np.arange(r.start, r.stop) for r in map(self.message_rows, self.patterns.roots)], 1
        )
        exponents = messages.exponents[rows]
        behind = np.maximum(exponents - exponents.max(axis=1, keepdims=True), -2000)
        products = messages.sums[rows][:, :, : self.circuit.n_latents]
        joint = np.ldexp(products, behind[:, :, None].astype(np.int32)).reshape(len(rows), -1)
        joint = joint * self.circuit.root_weights
        return joint / joint.sum(axis=1, keepdims=True)

    def posteriors(self) -> Iterator[tuple[int, np.ndarray]]:
        """Each region, and P(z_r = k | row) (n_distinct, K) of the distinct rows.

        Where there are several trees it is that of the tree and of the state in it.
        """
        circuit, n_latents = self.circuit, self.circuit.n_latents
        messages = self.upward()
        of_roots = np.split(self.root_posteriors(messages), len(circuit.roots), axis=1)
        n_waiting = np.diff(self.patterns.children_start)
        codes: dict[int, np.ndarray] = {}
        flows: dict[int, np.ndarray] = {}
        for region in map(int, self.patterns.topdown):
            parent = int(circuit.parents[region])
            if parent < 0:
                flows[region] = of_roots[int(np.searchsorted(circuit.roots, region))]
                codes[region] = np.arange(self.patterns.n_patterns[region])
            else:
                codes[region] = self.links(region)[codes[parent]]
                rows = self.message_rows(region).start + codes[region]
                ratios = flows[parent] / messages.sums.take(rows, axis=0)[:, :n_latents]
                with one_blas_thread():  # waking others takes longer
                    flow = ratios @ circuit.sum_weights[region]
                flow *= messages.products.take(rows, axis=0)[:, :n_latents]
                flows[region] = flow
                n_waiting[parent] -= 1
                if not n_waiting[parent]:
                    del flows[parent], codes[parent]
            yield region, flows[region]


def complete(
    circuit: Circuit,
    X: np.ndarray,
    strategy: str,
    random_state: np.random.RandomState,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> np.ndarray:
    """X with its missing cells filled, given the others of their row.

    Parameters
    ----------
    circuit : Circuit
    X : (n, n_features), NaN missing
    strategy : {"mean_mode", "sample", "max_product"}
        See `SharpPCImputer`.
    random_state : RandomState
        Of "sample". Rows with missing cells take their draws one after the other, whatever
        the blocks.
    max_bytes : int
        Rows are taken in blocks so that messages fit.

    Returns
    -------
    (n, n_features) float64
    """
    filled = np.array(X, np.float64)
    incomplete = np.flatnonzero(np.isnan(filled).any(axis=1))
    bytes_per_row = _bytes_per_row(circuit, X.shape[1])
    fill = {"mean_mode": _mean_mode, "sample": _sample, "max_product": _max_product}[strategy]
    if len(incomplete):
        for rows in row_blocks(len(incomplete), bytes_per_row, max_bytes):
            block = _Block.of(circuit, filled[incomplete[rows]])
            filled[incomplete[rows]] = fill(block, random_state)
    return filled


def _bytes_per_row(circuit: Circuit, n_features: int) -> int:
    """Memory that `complete` needs for a row that equals no other, at most."""
    n_latents = circuit.n_latents
    of_region = 2 * Messages.bytes_per_row(n_latents) + 32
    of_column = 32
    if len(circuit.roots) > 1:  # the masses of all columns wait for the last tree
        of_column += 8 * int(circuit.inputs.n_categories.max(initial=0))
    largest_group = max(map(len, circuit.features))
    of_group = 24 * n_latents * largest_group
    return circuit.n_regions * of_region + n_features * of_column + of_group


def _mean_mode(block: _Block, _: np.random.RandomState) -> np.ndarray:
    """Rows with the mean of each missing number and the mode of each missing category."""
    X = block.X[block.representatives]
    holes = np.isnan(X)
    out = np.where(holes, 0.0, X)
    inputs = block.circuit.inputs
    masses: dict[int, np.ndarray] = {}
    categories: dict[int, np.ndarray] = {}
    for region, flows in block.posteriors():
        columns = inputs.features[region]
        rows = np.flatnonzero(holes[:, columns].any(axis=1))
        distribution = inputs[region] if len(rows) else None
        if isinstance(distribution, Gaussian):
            expected = np.einsum(
                "ik,ika->ia", flows[rows], distribution.completed(X[rows][:, columns])
            )
            cells = rows[:, None], columns
            out[cells] += np.where(holes[cells], expected, 0.0)
        elif isinstance(distribution, Categorical):
            column = int(columns[0])
            # Several trees observe the column: their masses add.
            masses[column] = masses.get(column, 0.0) + flows[rows] @ distribution.probs.T
            categories[column] = distribution.categories
    for column, mass in masses.items():
        out[holes[:, column], column] = categories[column][mass.argmax(axis=1)]
    return out[block.patterns.root_codes]


def _sample(block: _Block, random_state: np.random.RandomState) -> np.ndarray:
    """Rows with a joint draw of all that is missing: states from the roots down, then cells."""
    circuit, patterns, n_latents = block.circuit, block.patterns, block.circuit.n_latents
    out = block.X.copy()
    holes = np.isnan(out)
    draws = random_state.random_sample((len(out), 1 + circuit.n_regions + out.shape[1]))
    of_states, of_cells = draws[:, 1 : 1 + circuit.n_regions], draws[:, 1 + circuit.n_regions :]
    messages = block.upward()
    root_codes = patterns.root_codes
    tree_of_row, root_states = np.divmod(
        _choose(block.root_posteriors(messages)[root_codes], draws[:, 0]), n_latents
    )
    tree_of = tree_of_region(circuit.parents)
    rows_of = [np.flatnonzero(tree_of_row == tree) for tree in range(len(circuit.roots))]
    codes: dict[int, np.ndarray] = {}
    states: dict[int, np.ndarray] = {}
    for region in map(int, patterns.topdown):
        parent = int(circuit.parents[region])
        rows = rows_of[tree_of[region]]
        if parent < 0:
            codes[region], states[region] = root_codes[rows], root_states[rows]
        else:
            codes[region] = block.links(region)[codes[parent]]
            below = messages.products[block.message_rows(region).start + codes[region], :n_latents]
            weights = circuit.sum_weights[region][states[parent]] * below
            states[region] = _choose(weights, of_states[rows, region])
        columns = circuit.features[region]
        incomplete = holes[np.ix_(rows, columns)].any(axis=1)
        rows, state = rows[incomplete], states[region][incomplete]
        distribution = circuit.inputs[region] if len(rows) else None
        if isinstance(distribution, Gaussian):
            cells = np.ix_(rows, columns)
            normals = ndtri(np.maximum(of_cells[cells], np.finfo(float).tiny))
            out[cells] = distribution.sample_given(out[cells], state, normals)
        elif isinstance(distribution, Categorical):
            chosen = _choose(distribution.probs.T[state], of_cells[rows, columns[0]])
            out[rows, columns[0]] = distribution.categories[chosen]
    return out


def _choose(weights: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """A column (n,) of each row of `weights` (n, m), in proportion, by draws from [0, 1)."""
    cumulative = np.cumsum(weights, axis=1)
    chosen = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(axis=1)
    return np.minimum(chosen, weights.shape[1] - 1)


def _max_product(block: _Block, _: np.random.RandomState) -> np.ndarray:
    """Rows with the most probable missing cells and latent states together."""
    circuit, patterns = block.circuit, block.patterns
    n_roots = len(circuit.roots)
    values, choices = _max_messages(block)
    at_roots = np.concatenate([values[int(root)] for root in circuit.roots], axis=1)
    best = np.argmax(np.log(circuit.root_weights) + at_roots, axis=1)
    tree_of_row, root_states = np.divmod(best, circuit.n_latents)
    tree_of = tree_of_region(circuit.parents)
    rows_of = [np.flatnonzero(tree_of_row == tree) for tree in range(n_roots)]
    out = block.X[block.representatives]
    holes = np.isnan(out)
    codes: dict[int, np.ndarray] = {}
    states: dict[int, np.ndarray] = {}
    for region in map(int, patterns.topdown):
        parent = int(circuit.parents[region])
        rows = rows_of[tree_of[region]]
        if parent < 0:
            codes[region], states[region] = rows, root_states[rows]
        else:
            codes[region] = block.links(region)[codes[parent]]
            states[region] = choices[region][codes[region], states[parent]]
        columns = circuit.features[region]
        incomplete = holes[np.ix_(rows, columns)].any(axis=1)
        rows, state = rows[incomplete], states[region][incomplete]
        distribution = circuit.inputs[region] if len(rows) else None
        if isinstance(distribution, Gaussian):
            cells = np.ix_(rows, columns)
            out[cells] = distribution.completed(out[cells])[np.arange(len(rows)), state]
        elif isinstance(distribution, Categorical):
            likeliest = distribution.categories[distribution.probs.argmax(axis=0)]
            out[rows, columns[0]] = likeliest[state]
    return out[patterns.root_codes]


def _max_messages(block: _Block) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Maxima instead of sums in the upward pass, in logarithms.

    Returns
    -------
    values : per root, the largest log probability (U, K) given each of its states
    choices : per other region, the best state (U, K) given each state of the parent
    """
    circuit, patterns = block.circuit, block.patterns
    first_symbol = np.cumsum(block.evidence.n_symbols) - block.evidence.n_symbols
    below: dict[int, np.ndarray] = {}
    choices: dict[int, np.ndarray] = {}
    for region in map(int, patterns.topdown[::-1]):
        symbols = patterns.symbols[block.message_rows(region)] - first_symbol[region]
        value = _log_peaks(circuit, block.evidence, region)[symbols]
        children = slice(*patterns.children_start[region : region + 2])
        for child in map(int, patterns.children[children]):
            value += below.pop(child)[block.links(child)]
        if circuit.parents[region] >= 0:
            log_weights = np.log(circuit.sum_weights[region])
            best = np.full_like(value, -np.inf)
            choices[region] = np.zeros(value.shape, np.int32)
            for j in range(circuit.n_latents):
                candidate = value[:, j : j + 1] + log_weights[:, j]
                choices[region][candidate > best] = j
                np.maximum(best, candidate, out=best)
            value = best
        below[region] = value
    return below, choices


def _log_peaks(circuit: Circuit, evidence: Evidence, region: int) -> np.ndarray:
    """Log likelihood (n_symbols, K) of a region's symbols, what is missing at its best."""
    distribution = circuit.inputs[region]
    vectors = evidence.values[region]
    if isinstance(distribution, Gaussian) and vectors is not None:
        return distribution.log_peak(vectors)
    if isinstance(distribution, Categorical):
        probs = distribution.probs
        return np.log(np.concatenate([probs, probs.max(axis=0)[None], distribution.unseen[None]]))
    return np.zeros((int(evidence.n_symbols[region]), circuit.n_latents))
