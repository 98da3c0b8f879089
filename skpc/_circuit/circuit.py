"""The circuit: rooted trees of regions with their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skpc._checks import checked_array, reading, shown
from skpc._circuit.format import attributes_from, description, flattened, unflattened
from skpc._circuit.inputs.inputs import Inputs
from skpc._circuit.tree import depths_of, levels_of, tree_of_region
from skpc._data.rows import Rows

_ROUNDING = 1e-12  # of sums of weights


@dataclass(frozen=True, eq=False)
class Circuit:
    """One or several rooted trees of regions with a latent variable of `n_latents` states each.

    The likelihood of a row x is computed bottom-up: the product node j of region v has
    the value P_v,j = B_v(x_v | j) times S_c,j of every child c, the sum node k of region
    c has S_c,k = sum_j W_c[k, j] P_c,j, and p(x) = sum_k pi_k P_root,k. Several trees, each
    over all columns, are mixed under one root sum node: that sum is then over all roots.

    Estimators have one as ``circuit_``, and `skpc.circuit.from_dict` makes one of plain data. Its
    arrays may be read, and must not be changed.

    Parameters
    ----------
    parents : ndarray of shape (n_regions,)
        Parent of each region, -1 at a root.
    features : tuple of n_regions int arrays
        Columns that each region observes; may be empty.
    root_weights : ndarray of shape (n_roots * n_latents,)
        Distribution pi of the root's latent variable; of the roots in the order of regions.
    sum_weights : ndarray of shape (n_regions, n_latents, n_latents)
        ``[c, k, j]`` is the probability of state j at region c given state k at its
        parent; rows sum to one. A root's entry is the identity and not used.
    inputs : sequence of n_regions input distributions
        ``inputs[r].log_prob(X[:, features[r]])`` is (n, n_latents), in nats; None where
        nothing is observed.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity
    >>> X = np.array([[0, 0], [1, 1], [1, 1], [0, 1]])
    >>> circuit = SharpPCDensity(n_latents=2, random_state=0).fit(X).circuit_
    >>> circuit.n_regions, circuit.n_features, circuit.n_latents, circuit.n_parameters
    (2, 2, 2, 7)
    >>> circuit.roots, circuit.parents
    (array([0]), array([-1,  0]))
    >>> circuit
    Circuit(1 tree, 2 regions, 2 columns, 2 states, 7 parameters)
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
    def n_features(self) -> int:
        """Number of columns."""
        return 1 + max(int(columns.max(initial=-1)) for columns in self.features)

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

    def __repr__(self) -> str:
        numbers = {
            "tree": len(self.roots),
            "region": self.n_regions,
            "column": self.n_features,
            "state": self.n_latents,
            "parameter": self.n_parameters,
        }
        told = (f"{number:,} {name}{'s' * (number != 1)}" for name, number in numbers.items())
        return f"{type(self).__name__}({', '.join(told)})"

    def __post_init__(self) -> None:
        self._check_arrays()

    def __getstate__(self) -> dict[str, Any]:
        return flattened(to_dict(self))

    def __setstate__(self, state: dict[str, Any]) -> None:
        with reading("circuit"):
            vars(self).update(vars(from_dict(unflattened(state))))

    def replaced(self, **changes: Any) -> Circuit:
        """Make the same circuit but for these parameters.

        Unlike with `dataclasses.replace` nothing is checked: learning makes one every mini-batch.

        Parameters
        ----------
        **changes : arrays or Inputs
            New values of parameters, by name.

        Returns
        -------
        Circuit
            With the other arrays shared.
        """
        circuit = object.__new__(type(self))
        vars(circuit).update(vars(self), **changes)
        return circuit

    def _check_arrays(self) -> None:
        """Raise ValueError if arrays are not such that kernels stay within them."""
        parents = checked_array(self.parents, "parents", int, (None,))
        n_regions = len(parents)
        _check_trees(parents)
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
        weights = self.sum_weights
        is_off = ~((weights >= 0) & (weights <= 1 + _ROUNDING))  # a root's too, and NaN
        is_off |= (weights <= 0) & (self.parents >= 0)[:, None, None]
        if is_off.any():
            region = int(is_off.any(axis=(1, 2)).argmax())
            raise ValueError(
                "sum_weights must be strictly positive, and at most 1; got "
                f"{shown(weights[region][is_off[region]][0])} of region {region}. Give what is "
                "impossible 1e-30."
            )
        is_off = (np.abs(weights.sum(axis=-1) - 1) > _ROUNDING) & (self.parents >= 0)[:, None]
        if is_off.any():
            region = int(is_off.any(axis=1).argmax())
            raise ValueError(
                "sum_weights must sum to one over its last axis; got "
                f"{shown(weights[region].sum(axis=-1)[is_off[region]][0])} of region {region}. "
                "Divide them by their sums."
            )
        if not (self.root_weights > 0).all():
            raise ValueError(
                f"root_weights must be strictly positive; got {shown(self.root_weights.min())}. "
                "Give what is impossible 1e-30."
            )
        if not abs(self.root_weights.sum() - 1) <= _ROUNDING:
            raise ValueError(
                f"root_weights must sum to one over its last axis; got "
                f"{shown(self.root_weights.sum())}. Divide them by their sum."
            )
        self.inputs.check()
        _check_columns(self)


# What files call it, wherever it lives.
Circuit.__module__ = "skpc.circuit"


def to_dict(circuit: Circuit) -> dict[str, Any]:
    """The circuit as plain data, once it is checked; see `skpc.circuit.to_dict`."""
    old = circuit.inputs
    try:  # somebody may have changed arrays
        inputs = Inputs(
            old.features, old.categories, old.probs, old.unseen, old.distributions, old.is_binomial
        )
        circuit = replace(circuit, inputs=inputs)
        circuit.check()
    except Exception as error:
        raise ValueError(f"This circuit was changed and cannot be written: {error}") from error
    return description(circuit.parents, circuit.root_weights, circuit.sum_weights, circuit.inputs)


def from_dict(data: Any) -> Circuit:
    """The circuit that plain data describe; see `skpc.circuit.from_dict`."""
    circuit = Circuit(**attributes_from(data))
    circuit.check()
    return circuit


def _check_trees(parents: np.ndarray) -> None:
    """Raise ValueError if parents do not describe trees."""
    must = "parents must describe trees, each with a root (-1); got"
    if not (parents < 0).any():
        raise ValueError(
            f"{must} no root among {len(parents)} regions. Give a region the parent -1."
        )
    is_off = (parents < -1) | (parents >= len(parents))
    if is_off.any():
        region = int(is_off.argmax())
        raise ValueError(
            f"{must} {parents[region]} for region {region}, and there are {len(parents)} regions, "
            "counted from 0. Correct its parent."
        )
    is_circular = depths_of(parents) >= len(parents)
    if is_circular.any():
        region = int(is_circular.argmax())
        for _ in range(len(parents)):  # it may only be below the circle
            region = int(parents[region])
        raise ValueError(
            f"{must} {parents[region]} for region {region}, which is below itself. Correct its "
            "parent."
        )


def _check_scopes(parents: np.ndarray, features: Sequence[np.ndarray]) -> None:
    """Raise ValueError if trees do not have the same columns, each of them once."""
    flat = np.concatenate(features)
    region_of = np.repeat(np.arange(len(features)), [len(columns) for columns in features])
    tree_of = tree_of_region(parents)[region_of]
    order = np.lexsort((flat, tree_of))
    is_again = (np.diff(flat[order]) == 0) & (np.diff(tree_of[order]) == 0)
    if is_again.any():
        i = is_again.argmax()
        raise ValueError(
            "features must be disjoint: a column can have only one region of a tree; got column "
            f"{flat[order[i]]} in the regions {region_of[order[i]]} and {region_of[order[i + 1]]}."
        )
    columns, first, n_trees = np.unique(flat, return_index=True, return_counts=True)
    is_off = n_trees != np.count_nonzero(parents < 0)
    if is_off.any():
        i = is_off.argmax()
        raise ValueError(
            "features of each tree must be the same columns; got column "
            f"{columns[i]}, of region {region_of[first[i]]}, in {n_trees[i]} of the "
            f"{np.count_nonzero(parents < 0)} trees."
        )
    is_off = columns != np.arange(len(columns))
    if is_off.any():
        i = is_off.argmax()
        raise ValueError(
            "features must be all columns from 0 to the last, each once; got "
            f"{columns[i]}, of region {region_of[first[i]]}, and no column {i}."
        )


def _check_columns(circuit: Circuit) -> None:
    """Raise ValueError if a column has other categories in one tree than in another."""
    if len(circuit.roots) == 1:
        return
    first_with: dict[int, tuple[int, np.ndarray | None]] = {}
    inputs = circuit.inputs
    distributions = inputs.distributions
    for region, columns in enumerate(circuit.features):
        for entry, column in enumerate(columns.tolist()):
            own = inputs.categories[region]
            if own is None:
                own = distributions[region].categories_of(entry)
            first, other = first_with.setdefault(column, (region, own))
            is_same = own is other if own is None or other is None else np.array_equal(own, other)
            if not is_same:
                raise ValueError(
                    "a column must have the same categories in all trees, or be continuous in all;"
                    f" got others for column {column} in the regions {first} and {region}."
                )


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


def latent_marginals(circuit: Circuit) -> np.ndarray:
    """Prior probabilities (n_regions, K) of latent states, times that of their tree."""
    topdown, _ = levels_of(circuit.parents, from_leaves=False)
    marginals = np.empty((circuit.n_regions, circuit.n_latents))
    marginals[circuit.roots] = circuit.root_weights.reshape(-1, circuit.n_latents)
    for region in topdown[len(circuit.roots) :]:
        marginals[region] = marginals[circuit.parents[region]] @ circuit.sum_weights[region]
    return marginals


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
