"""The circuit: rooted trees of regions with their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skpc._checks import attributes, check_finite, checked_array, reading
from skpc._circuit.inputs.inputs import Inputs
from skpc._circuit.tree import depths_of, tree_of_region
from skpc._data.rows import Rows

_ROUNDING = 1e-12  # of sums of weights


@dataclass(frozen=True)
class Circuit:
    """One or several rooted trees of regions with a latent variable of `n_latents` states each.

    The likelihood of a row x is computed bottom-up: the product node j of region v has
    the value P_v,j = B_v(x_v | j) times S_c,j of every child c, the sum node k of region
    c has S_c,k = sum_j W_c[k, j] P_c,j, and p(x) = sum_k pi_k P_root,k. Several trees, each
    over all columns, are mixed under one root sum node: that sum is then over all roots.

    Attributes
    ----------
    parents : (n_regions,) int
        Parent of each region, -1 at a root.
    features : tuple of n_regions int arrays
        Columns that each region observes; may be empty.
    root_weights : (n_roots * n_latents,)
        Distribution pi of the root's latent variable; of the roots in the order of regions.
    sum_weights : (n_regions, n_latents, n_latents)
        ``[c, k, j]`` is the probability of state j at region c given state k at its
        parent; rows sum to one. A root's entry is the identity and not used.
    inputs : sequence of n_regions input distributions
        ``inputs[r].log_prob(X[:, features[r]])`` is (n, n_latents), in nats; None where
        nothing is observed.
    """

    parents: np.ndarray
    features: tuple[np.ndarray, ...]
    root_weights: np.ndarray
    sum_weights: np.ndarray
    inputs: Inputs

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return self.parents.shape[0]

    @property
    def n_latents(self) -> int:
        """Number of states of each latent variable."""
        return self.sum_weights.shape[1]

    @property
    def roots(self) -> np.ndarray:
        """Indices of the root regions: one in a hidden Chow-Liu tree."""
        return np.flatnonzero(self.parents < 0)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters: every distribution has one less than its length."""
        n_nodes = (self.n_regions - len(self.roots)) * self.n_latents
        n_weights = len(self.root_weights) - 1 + n_nodes * (self.n_latents - 1)
        return n_weights + self.inputs.n_parameters

    def __post_init__(self) -> None:
        self._check_arrays()

    def __setstate__(self, state: dict[str, Any]) -> None:
        with reading("circuit"):
            vars(self).update(attributes(state, tuple(self.__dataclass_fields__)))
            self.check()

    def replaced(self, **changes: Any) -> Circuit:
        """The same circuit but for these parameters.

        Unlike with `dataclasses.replace` nothing is checked: learning makes one every mini-batch.
        """
        circuit = object.__new__(type(self))
        vars(circuit).update(vars(self), **changes)
        return circuit

    def _check_arrays(self) -> None:
        """Raise ValueError if arrays are not such that kernels stay within them."""
        parents = checked_array(self.parents, "parents", int, (None,))
        n_regions = len(parents)
        sum_weights = checked_array(self.sum_weights, "sum_weights", float, (None, None, None))
        n_latents = sum_weights.shape[1]
        if sum_weights.shape != (n_regions, n_latents, n_latents) or not n_latents:
            raise ValueError(
                f"sum_weights must have shape {(n_regions, n_latents, n_latents)} for "
                f"{n_regions} regions and {n_latents} latent states, at least one; got "
                f"{sum_weights.shape}."
            )
        if not isinstance(self.inputs, Inputs):
            raise ValueError(f"inputs must be Inputs; got {type(self.inputs).__name__}.")
        if len(self.features) != n_regions or len(self.inputs) != n_regions:
            raise ValueError(
                f"features and inputs need one entry for each of the {n_regions} regions; "
                f"got {len(self.features)} and {len(self.inputs)}."
            )
        if self.inputs.probs.shape[1] != n_latents:
            raise ValueError(
                f"inputs must have the {n_latents} latent states of sum_weights; got "
                f"{self.inputs.probs.shape[1]}."
            )
        n_roots = int(np.count_nonzero(parents < 0))
        root_weights = checked_array(self.root_weights, "root_weights", float, (None,))
        if root_weights.shape != (n_roots * n_latents,):
            raise ValueError(
                f"root_weights must have shape {(n_roots * n_latents,)} for {n_roots} "
                f"roots and {n_latents} latent states; got {root_weights.shape}."
            )
        is_tree = n_roots > 0 and parents.min() >= -1 and parents.max() < n_regions
        if not is_tree or (depths_of(parents) >= n_regions).any():
            raise ValueError(f"parents must describe trees, each with a root (-1); got {parents}.")
        features = tuple(
            checked_array(columns, f"features of region {region}", int, (None,))
            for region, columns in enumerate(self.features)
        )
        _check_scopes(parents, features)
        pairs = zip(features, self.inputs.features, strict=True)
        if any(own is not other and not np.array_equal(own, other) for own, other in pairs):
            raise ValueError("features must be those of inputs.")
        vars(self).update(
            parents=parents, features=features, root_weights=root_weights, sum_weights=sum_weights
        )

    def check(self) -> None:
        """Raise ValueError if this is not a smooth, decomposable, normalised circuit."""
        self._check_arrays()
        below = self.sum_weights[self.parents >= 0]
        check_finite(self.sum_weights, "sum_weights")
        if self.sum_weights.min() < 0 or self.sum_weights.max() > 1 + _ROUNDING:  # a root's too
            raise ValueError("sum_weights must be strictly positive, and at most 1.")
        for name, weights in ("root_weights", self.root_weights), ("sum_weights", below):
            if not (weights > 0).all():
                raise ValueError(f"{name} must be strictly positive.")
            if weights.size and abs(weights.sum(axis=-1) - 1).max() > _ROUNDING:
                raise ValueError(f"{name} must sum to one over its last axis.")
        self.inputs.check()


def _check_scopes(parents: np.ndarray, features: Sequence[np.ndarray]) -> None:
    """Raise ValueError if trees do not have the same columns, each of them once."""
    tree_of = tree_of_region(parents)
    scopes = []
    for tree in range(len(np.unique(tree_of))):
        regions = np.flatnonzero(tree_of == tree).tolist()
        scope = np.sort(np.concatenate([features[region] for region in regions]))
        if (scope[1:] == scope[:-1]).any():
            raise ValueError("features must be disjoint: a column can have only one region.")
        scopes.append(scope)
    if any(not np.array_equal(scope, scopes[0]) for scope in scopes):
        raise ValueError("features of each tree must be the same columns.")
    if not np.array_equal(scopes[0], np.arange(len(scopes[0]))):
        raise ValueError("features must be all columns from 0 to the last, each once.")


def random_circuit(
    parents: np.ndarray,
    rows: Rows,
    n_latents: int,
    random_state: np.random.RandomState,
    *,
    shrinkage: float = 0.0,
) -> Circuit:
    """Draw all weights as ``exp(-2 u)``, u uniform on [0, 1), and normalise them.

    Input distributions are drawn as `Inputs.random` says, from distinct rows as the regions of
    `parents` see them.
    """

    def draw(*shape: int) -> np.ndarray:
        drawn = np.exp(-2.0 * random_state.random_sample(shape))
        return drawn / drawn.sum(axis=-1, keepdims=True)

    root_weights = draw(int((parents < 0).sum()) * n_latents)
    sum_weights = draw(parents.shape[0], n_latents, n_latents)
    sum_weights[parents < 0] = np.eye(n_latents)
    inputs = Inputs.random(rows, n_latents, random_state, shrinkage=shrinkage)
    circuit = Circuit(parents, inputs.features, root_weights, sum_weights, inputs)
    circuit.check()
    return circuit


def mixture(circuits: Sequence[Circuit], shares: np.ndarray) -> Circuit:
    """One circuit of the trees of several, over the same columns, under one root sum node.

    Parameters
    ----------
    circuits : sequence of Circuit
    shares : (n_circuits,)
        What each is weighted with, in proportion.
    """
    if len(circuits) == 1:
        return circuits[0]
    offsets = np.cumsum([0, *(circuit.n_regions for circuit in circuits[:-1])]).tolist()
    pairs = list(zip(circuits, offsets, strict=True))
    root_weights = np.concatenate(
        [share * circuit.root_weights for circuit, share in zip(circuits, shares, strict=True)]
    )
    inputs = Inputs.joined([circuit.inputs for circuit in circuits])
    mixed = Circuit(
        np.concatenate([np.where(c.parents < 0, -1, c.parents + offset) for c, offset in pairs]),
        inputs.features,
        root_weights / root_weights.sum(),
        np.concatenate([circuit.sum_weights for circuit in circuits]),
        inputs,
    )
    mixed.check()
    return mixed
