"""Where to put the nodes of trees: arrays in, arrays out."""

from __future__ import annotations

import numpy as np

from skpc._circuit.tree import children_of, levels_of

_MOST_FOR_STRESS = 400
_STRESS_ROUNDS = 150
_PUSH_ROUNDS = 100
# How ready to push sideways rather than up or down: as is nearer, then as there may be room.
_PREFERENCES = 1.0, 0.3, 3.0, 1.0
_FULLEST = 0.45


def tiles(n_tiles: int, box: tuple[float, float]) -> tuple[np.ndarray, tuple[float, float]]:
    """Lower left corners (n_tiles, 2), row by row from the top, and the size of each in a box."""
    # The grid whose tiles are most nearly square.
    n_rows = min(
        range(1, n_tiles + 1),
        key=lambda rows: abs(np.log(box[0] * rows / (box[1] * -(-n_tiles // rows)))),
    )
    n_columns = -(-n_tiles // n_rows)
    size = box[0] / n_columns, box[1] / n_rows
    tile = np.arange(n_tiles)
    places = np.column_stack([tile % n_columns, n_rows - 1 - tile // n_columns])
    return places * np.array(size), size


def tree_positions(parents: np.ndarray, box: tuple[float, float]) -> np.ndarray:
    """Positions (n_regions, 2) of the nodes of one tree, which reach to the ends of a box."""
    points = _radial(parents)
    if 2 < len(parents) <= _MOST_FOR_STRESS:
        points = _least_stress(points, _distances(parents))
    points = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(points, full_matrices=False)
    points = points @ axes.T  # the long axis comes first
    if box[0] < box[1]:
        points = points[:, ::-1]
    low, high = points.min(axis=0), points.max(axis=0)
    share = np.where(high > low, (points - low) / np.where(high > low, high - low, 1.0), 0.5)
    return share * np.array(box)


def _radial(parents: np.ndarray) -> np.ndarray:
    """Depth as the radius; each subtree has a wedge in proportion to its leaves."""
    start, children = children_of(parents)
    topdown, _ = levels_of(parents, from_leaves=False)
    leaves = (np.diff(start) == 0).astype(float)
    for region in topdown[:0:-1]:
        leaves[parents[region]] += leaves[region]
    first, middle, depth = np.zeros((3, len(parents)))
    for region in topdown:
        angle = first[region]
        middle[region] = angle + np.pi * leaves[region] / leaves[topdown[0]]
        for child in children[start[region] : start[region + 1]]:
            first[child] = angle
            depth[child] = depth[region] + 1
            angle += 2 * np.pi * leaves[child] / leaves[topdown[0]]
    return depth[:, None] * np.column_stack([np.cos(middle), np.sin(middle)])


def _distances(parents: np.ndarray) -> np.ndarray:
    """Number of edges between any two regions of one tree."""
    n_regions = len(parents)
    topdown, _ = levels_of(parents, from_leaves=False)
    out = np.zeros((n_regions, n_regions))
    for i, region in enumerate(topdown[1:], start=1):
        known = topdown[:i]
        out[region, known] = out[known, region] = out[parents[region], known] + 1
    return out


def _least_stress(points: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Move points until they are as far apart as they should be (SMACOF, weights d**-2)."""
    n_points = len(points)
    away = ~np.eye(n_points, dtype=bool)
    weights = np.zeros_like(distances)
    weights[away] = distances[away] ** -2.0
    laplacian = np.diag(weights.sum(axis=1)) - weights
    inverse = np.linalg.pinv(laplacian)
    for _ in range(_STRESS_ROUNDS):
        gaps = points[:, None] - points
        lengths = np.sqrt((gaps**2).sum(axis=2))
        pull = np.where(lengths > 1e-9, weights * distances / np.maximum(lengths, 1e-9), 0.0)
        points = inverse @ (pull.sum(axis=1)[:, None] * points - pull @ points)
    return points


def pushed_apart(
    points: np.ndarray, sizes: np.ndarray, box: tuple[float, float]
) -> np.ndarray | None:
    """Move rectangles of these sizes (n, 2) within the box until none overlaps another.

    None if they fill too much of it, or still overlap in the end.
    """
    area = np.array(box)
    if sizes.prod(axis=1).sum() > _FULLEST * area.prod() or (sizes > area).any():
        return None
    needed = (sizes[:, None] + sizes) / 2
    rng = np.random.RandomState(0)
    for preference in _PREFERENCES:
        # Without a little disorder neighbours in a row push each other to and fro.
        points = points + 0.1 * rng.standard_normal(points.shape) * sizes
        for _ in range(_PUSH_ROUNDS):
            points = np.clip(points, sizes / 2, area - sizes / 2)
            gaps = points[:, None] - points
            short = needed - np.abs(gaps)
            overlap = (short > 0).all(axis=2)
            np.fill_diagonal(overlap, False)
            if not overlap.any():
                return points
            sideways = short[:, :, 0] < preference * short[:, :, 1]
            pushed = overlap[:, :, None] & np.stack([sideways, ~sideways], axis=2)
            moves = np.where(pushed, 0.5 * (short + 0.1) * np.sign(gaps), 0.0).sum(axis=1)
            # Several pushes at once overshoot: share them.
            points = points + moves / np.sqrt(np.maximum(overlap.sum(axis=1), 1))[:, None]
    return None
