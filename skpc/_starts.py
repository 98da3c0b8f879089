"""Where learning starts: learnt trees with first parameters, one or several to a circuit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skpc._circuit import Circuit, mixture, random_circuit
from skpc._clusters import soft_clusters
from skpc._em import fit_em
from skpc._evidence import Evidence
from skpc._neighbourhoods import clustered_circuit
from skpc._solvers import Solver
from skpc._stopping import Progress
from skpc._structure import Structure, learn_structure

_COMMON_ROWS = 100.0
_OWN_ITERATIONS = 10
_LEAST_SHARE = 1e-12


def draw_starts(
    evidence: Evidence,
    weights: np.ndarray,
    categories: Sequence[np.ndarray | None],
    structure: Structure,
    solver: Solver,
    *,
    n_latents: int,
    init: str,
    n_init: int,
    shrinkage: float,
    random_state: np.random.RandomState,
) -> list[Circuit]:
    """Learn the structure, and draw `n_init` circuits with it.

    The rows of a mixture of components are first clustered. The tree of each component is
    learnt from its cluster (and, since few rows say little of pairs, from all rows as if
    there were `_COMMON_ROWS` of them), and its start is some iterations of EM on the cluster:
    otherwise all components would model all rows alike.

    Parameters
    ----------
    evidence : Evidence
        Of distinct rows, one region a column.
    weights : (n,)
    categories : per column, its sorted categories, or None if it is continuous
    structure : Structure
    solver : Solver
        Of training.
    n_latents, init, n_init, shrinkage, random_state : see `learn_circuit`
    """
    m_step = solver.m_step
    clusters = weights[None]
    of_trees = clusters
    if structure.n_components > 1:
        clusters = weights * soft_clusters(
            evidence, weights, categories, structure.n_components, random_state,
            pseudocount=m_step.pseudocount, shrinkage=shrinkage, max_bytes=solver.max_bytes,
        )  # fmt: skip
        clusters = np.maximum(clusters, _LEAST_SHARE * weights)
        of_trees = clusters + _COMMON_ROWS / weights.sum() * weights
    trees = [
        learn_structure(evidence, of_tree, structure, n_latents, m_step.pseudocount, random_state)
        for of_tree in of_trees
    ]
    starts = []
    for _ in range(n_init):
        circuits = []
        for (features, parents), cluster in zip(trees, clusters, strict=True):
            grouped = evidence.grouped(features)
            of_regions = [categories[f[0]] if len(f) else np.empty(0) for f in features]
            if init == "cluster":
                circuit = clustered_circuit(
                    parents, features, of_regions, grouped, cluster, n_latents, random_state,
                    pseudocount=m_step.pseudocount, shrinkage=shrinkage,
                )  # fmt: skip
            else:
                circuit = random_circuit(
                    parents, features, of_regions, grouped, cluster, n_latents, random_state,
                    shrinkage=shrinkage,
                )  # fmt: skip
            if len(trees) > 1:
                e_step = solver.new_e_step(circuit, grouped, cluster)
                progress = Progress(circuit, tol=0.0)
                circuit = fit_em(circuit, progress, e_step, m_step, _OWN_ITERATIONS).circuit
            circuits.append(circuit)
        starts.append(mixture(circuits, clusters.sum(axis=1)))
    return starts
