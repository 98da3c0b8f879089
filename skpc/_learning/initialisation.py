"""Where learning starts: learnt trees with first parameters, one or several to a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit, mixture, random_circuit
from skpc._data.rows import Rows
from skpc._data.scales import centre_and_scales
from skpc._learning.cluster_start import clustered_circuit
from skpc._learning.clusters import soft_clusters
from skpc._learning.em import fit_em
from skpc._learning.progress import Progress
from skpc._learning.solver import Solver
from skpc._learning.structure import Structure, learn_structure, pair_dependence

_COMMON_ROWS = 100.0
_OWN_ITERATIONS = 10
_LEAST_SHARE = 1e-12


class ColumnMoments(NamedTuple):
    """Means and standard deviations (n_features,) of continuous columns; of others 0 and 1."""

    centres: np.ndarray
    scales: np.ndarray


@dataclass(frozen=True)
class Start:
    """Which circuits learning starts from.

    Attributes
    ----------
    n_latents : int
    init : {"cluster", "random"}
    n_init : int
        Number of starts, of which the best result is kept.
    shrinkage : float
        See `Gaussian`.
    circuit : Circuit or None
        Where to go on from, with its trees, in place of all that.
    of_table : ColumnMoments or None
        Of the columns of a table of which the rows are a part: then columns may have no value in
        these rows, and every state has these moments there, or as many of one category as of
        another. None: all have a value.
    share_scales : bool
        Whether floor and shrinkage of Gaussians refer to the scales of `of_table`, not to those
        of the rows.
    """

    n_latents: int
    init: str = "cluster"
    n_init: int = 1
    shrinkage: float = 0.0
    circuit: Circuit | None = None
    of_table: ColumnMoments | None = None
    share_scales: bool = False


class Tree(NamedTuple):
    """The structure of a component, and the rows that it was learnt from.

    Attributes
    ----------
    parents : see `skpc._learning.structure.Regions`
    rows : Rows
        Distinct, as its regions see them, weighted as they are in its cluster.
    """

    parents: np.ndarray
    rows: Rows


def has_edges(trees: Sequence[Tree], start: Start) -> bool:
    """Whether circuits to start from have sum weights between regions that say anything."""
    if start.circuit is not None:
        return start.circuit.n_latents > 1 and bool((start.circuit.parents >= 0).any())
    return start.n_latents > 1 and any((tree.parents >= 0).any() for tree in trees)


def column_moments(rows: Rows) -> ColumnMoments:
    """Mean and standard deviation of each continuous column of distinct rows."""
    moments = ColumnMoments(np.zeros(len(rows.scopes)), np.ones(len(rows.scopes)))
    with np.errstate(under="ignore"):  # of subnormal numbers
        for j, vectors in enumerate(rows.evidence.values):
            if vectors is not None:
                centre, scale = centre_and_scales(vectors, rows.weights_of(j))
                moments.centres[j], moments.scales[j] = centre[0], scale[0]
    return moments


def learn_trees(
    rows: Rows,
    structure: Structure,
    start: Start,
    solver: Solver,
    random_state: np.random.RandomState,
) -> list[Tree]:
    """Learn the structure, one tree per component.

    The rows of a mixture of components are first clustered. The tree of each component is
    learnt from its cluster (and, since few rows say little of pairs, from all rows as if
    there were `_COMMON_ROWS` of them).

    Parameters
    ----------
    rows : Rows
        Distinct, one region per column.
    structure : Structure
    start : Start
    solver : Solver
        Of training: its pseudocount and its bound on memory.
    random_state : RandomState
    """
    return TreeLearner(rows, structure, start, solver, random_state)(start.n_latents, random_state)


class TreeLearner:
    """What `learn_trees` does, for several numbers of states: what does not depend on it, once.

    Parameters are those of `learn_trees`; the `n_latents` of `start` is not used.
    """

    def __init__(
        self,
        rows: Rows,
        structure: Structure,
        start: Start,
        solver: Solver,
        random_state: np.random.RandomState,
    ) -> None:
        pseudocount = solver.m_step.pseudocount
        clusters = rows.weights[None]
        of_trees = clusters
        if structure.n_clusters > 1:
            clusters = rows.weights * soft_clusters(
                rows, structure.n_clusters, random_state, pseudocount=pseudocount,
                shrinkage=start.shrinkage, max_bytes=solver.max_bytes,
            )  # fmt: skip
            clusters = np.maximum(clusters, _LEAST_SHARE * rows.weights)
            of_trees = clusters + _COMMON_ROWS / rows.weights.sum() * rows.weights
        self._structure = structure
        self._pseudocount = pseudocount
        self._rows = [rows.weighted_as(of_tree) for of_tree in of_trees]
        self._clusters = clusters
        self._information: dict[int, np.ndarray] = {}
        self._known: dict[tuple[tuple[int, ...], ...], list[Tree]] = {}

    def __call__(self, n_latents: int, random_state: np.random.RandomState) -> list[Tree]:
        """The trees for so many states: the same lists where groups of columns are the same."""
        structure = self._structure
        of_trees = [structure.found_groups(rows, n_latents) for rows in self._rows]
        key = tuple(tuple(group) for groups in of_trees for group in (*groups, ()))
        if key not in self._known:
            self._known[key] = [
                self._learn(tree, groups, n_latents, random_state)
                for tree, groups in enumerate(of_trees)
            ]
        return self._known[key]

    def _learn(
        self,
        tree: int,
        groups: Sequence[Sequence[int]],
        n_latents: int,
        random_state: np.random.RandomState,
    ) -> Tree:
        rows = self._rows[tree]
        structure = replace(self._structure, groups=groups)

        def information() -> np.ndarray:
            if tree not in self._information:
                self._information[tree] = pair_dependence(rows, self._pseudocount)
            return self._information[tree]

        features, parents = learn_structure(
            rows, structure, n_latents, self._pseudocount, random_state, information
        )
        return Tree(parents, rows.grouped(features).weighted_as(self._clusters[tree]))


def draw_starts(
    trees: Sequence[Tree], start: Start, solver: Solver, random_state: np.random.RandomState
) -> list[Circuit]:
    """Draw `n_init` circuits with these trees, all of one structure.

    The start of each of several components is some iterations of EM on its cluster: otherwise
    all components would model all rows alike.

    Parameters
    ----------
    trees : of `learn_trees`
    start : Start
    solver : Solver
        Of training.
    random_state : RandomState
    """
    starts = []
    for _ in range(start.n_init):
        circuits = []
        for parents, rows in trees:
            if start.init == "cluster":
                circuit = clustered_circuit(
                    parents, rows, start.n_latents, random_state,
                    pseudocount=solver.m_step.pseudocount, shrinkage=start.shrinkage,
                )  # fmt: skip
            else:
                circuit = random_circuit(
                    parents, rows, start.n_latents, random_state, shrinkage=start.shrinkage
                )
            if len(trees) > 1:
                e_step = solver.new_e_step(circuit, rows)
                progress = Progress(circuit, tol=0.0)
                circuit = fit_em(circuit, progress, e_step, solver.m_step, _OWN_ITERATIONS).circuit
            circuits.append(circuit)
        starts.append(mixture(circuits, np.array([rows.weights.sum() for _, rows in trees])))
    return starts


def with_moments(circuit: Circuit, start: Start, is_missing: np.ndarray | None) -> Circuit:
    """The circuit with the moments that `start` gives to columns without a value, and its scales.

    Parameters
    ----------
    circuit : Circuit
    start : Start
    is_missing : (n_features,) or None
        Which columns have no value in the rows to learn from, held out or not.
    """
    if start.of_table is None or is_missing is None:
        return circuit
    inputs = circuit.inputs
    if start.share_scales:
        inputs = inputs.with_scales(start.of_table.scales)
    return replace(circuit, inputs=inputs.with_margins(is_missing, *start.of_table))
