"""Where learning starts: learnt trees with first parameters, one or several to a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skpc._circuit.circuit import Circuit, mixture, random_circuit
from skpc._data.evidence import Evidence
from skpc._learning.cluster_start import clustered_circuit
from skpc._learning.clusters import soft_clusters
from skpc._learning.em import fit_em
from skpc._learning.progress import Progress
from skpc._learning.solver import Solver
from skpc._learning.structure import Structure, learn_structure

_COMMON_ROWS = 100.0
_OWN_ITERATIONS = 10
_LEAST_SHARE = 1e-12


class Tree(NamedTuple):
    """The structure of a component, learnt from its cluster of rows.

    Attributes
    ----------
    features, parents : see `skpc._learning.structure.Regions`
    cluster : (n,)
        Weights of the rows in it.
    """

    features: Sequence[np.ndarray]
    parents: np.ndarray
    cluster: np.ndarray


def learn_trees(
    evidence: Evidence,
    weights: np.ndarray,
    categories: Sequence[np.ndarray | None],
    structure: Structure,
    solver: Solver,
    *,
    n_latents: int,
    shrinkage: float,
    random_state: np.random.RandomState,
    is_binomial: np.ndarray | None = None,
) -> list[Tree]:
    """Learn the structure, one tree a component.

    The rows of a mixture of components are first clustered. The tree of each component is
    learnt from its cluster (and, since few rows say little of pairs, from all rows as if
    there were `_COMMON_ROWS` of them).

    Parameters
    ----------
    evidence : Evidence
        Of distinct rows, one region a column.
    weights : (n,)
    categories : per column, its sorted categories, or None if it is continuous
    structure : Structure
    solver : Solver
        Of training: its pseudocount and its bound on memory.
    n_latents, shrinkage, random_state, is_binomial : see `learn_circuit`
    """
    pseudocount = solver.m_step.pseudocount
    clusters = weights[None]
    of_trees = clusters
    if structure.n_components > 1:
        clusters = weights * soft_clusters(
            evidence, weights, categories, structure.n_components, random_state,
            pseudocount=pseudocount, shrinkage=shrinkage, max_bytes=solver.max_bytes,
            is_binomial=is_binomial,
        )  # fmt: skip
        clusters = np.maximum(clusters, _LEAST_SHARE * weights)
        of_trees = clusters + _COMMON_ROWS / weights.sum() * weights
    trees = []
    for of_tree, cluster in zip(of_trees, clusters, strict=True):
        features, parents = learn_structure(
            evidence, of_tree, structure, n_latents, pseudocount, random_state
        )
        trees.append(Tree(features, parents, cluster))
    return trees


def draw_starts(
    evidence: Evidence,
    trees: Sequence[Tree],
    categories: Sequence[np.ndarray | None],
    solver: Solver,
    *,
    n_latents: int,
    init: str,
    n_init: int,
    shrinkage: float,
    random_state: np.random.RandomState,
    is_binomial: np.ndarray | None = None,
) -> list[Circuit]:
    """Draw `n_init` circuits with these trees.

    The start of each of several components is some iterations of EM on its cluster: otherwise
    all components would model all rows alike.

    Parameters
    ----------
    evidence : Evidence
        Of distinct rows, one region a column.
    trees : of `learn_trees`
    categories : per column, its sorted categories, or None if it is continuous
    solver : Solver
        Of training.
    n_latents, init, n_init, shrinkage, random_state, is_binomial : see `learn_circuit`
    """
    m_step = solver.m_step
    if is_binomial is None:
        is_binomial = np.zeros(len(categories), bool)
    starts = []
    for _ in range(n_init):
        circuits = []
        for features, parents, cluster in trees:
            grouped = evidence.grouped(features)
            of_regions = [categories[f[0]] if len(f) else np.empty(0) for f in features]
            has_levels = np.array([len(f) > 0 and bool(is_binomial[f[0]]) for f in features])
            if init == "cluster":
                circuit = clustered_circuit(
                    parents, features, of_regions, grouped, cluster, n_latents, random_state,
                    pseudocount=m_step.pseudocount, shrinkage=shrinkage, is_binomial=has_levels,
                )  # fmt: skip
            else:
                circuit = random_circuit(
                    parents, features, of_regions, grouped, cluster, n_latents, random_state,
                    shrinkage=shrinkage, is_binomial=has_levels,
                )  # fmt: skip
            if len(trees) > 1:
                e_step = solver.new_e_step(circuit, grouped, cluster)
                progress = Progress(circuit, tol=0.0)
                circuit = fit_em(circuit, progress, e_step, m_step, _OWN_ITERATIONS).circuit
            circuits.append(circuit)
        starts.append(mixture(circuits, np.array([tree.cluster.sum() for tree in trees])))
    return starts
