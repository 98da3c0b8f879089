"""Adversarial random forests as a density (Watson, Blesch, Kapar and Wright, AISTATS 2023).

A forest learns to tell rows from synthetic ones, at first drawn column by column, then from its own
leaves, until it cannot. Within a leaf columns are independent: normals truncated to the leaf's
bounds, and frequencies with a tenth of a row added to each category. Leaves keep at least five
rows. One row in n + 1 of the density is that of independent columns, so that none is zero. (arfpy
0.1.1, the package of the authors, does not run with NumPy 2.4, and has no log density of rows.)
"""

# ruff: noqa: D102 - what overrides a method inherits its docstring

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from density_peers import GaussianCopula, Independent, MassColumn, Mixture, between
from scipy.special import log_ndtr, logsumexp
from sklearn.ensemble import RandomForestClassifier

N_TREES, N_ROUNDS, LEAST_ROWS, PSEUDOCOUNT = 30, 10, 5, 0.1
LEAST_DEVIATION = 1e-3  # of the column's


class Leaves(NamedTuple):
    """Leaves of all trees: shares of rows (n,), bounds (n, d), and rows in each."""

    shares: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    rows: list[np.ndarray]


def leaves_of(forest: RandomForestClassifier, X: np.ndarray) -> Leaves:
    """Leaves after pruning: of a split with too few rows of X on one side, the other takes all."""
    shares, lowers, uppers, members = [], [], [], []
    X32 = X.astype(np.float32)  # as trees compare
    for each in forest.estimators_:
        tree = each.tree_
        bound = np.full(X.shape[1], np.inf)
        stack = [(0, np.arange(len(X)), -bound, bound)]
        while stack:
            node, rows, low, high = stack.pop()
            left, right = tree.children_left[node], tree.children_right[node]
            cells, threshold = X32[rows, tree.feature[node]], tree.threshold[node]
            is_left = np.where(np.isnan(cells), tree.missing_go_to_left[node], cells <= threshold)
            sides = rows[is_left.astype(bool)], rows[~is_left.astype(bool)]
            if left < 0 or max(map(len, sides)) < LEAST_ROWS:
                shares.append(len(rows) / len(X) / N_TREES)
                lowers.append(low)
                uppers.append(high)
                members.append(rows)
            elif min(map(len, sides)) < LEAST_ROWS:
                larger = left if len(sides[0]) > len(sides[1]) else right
                stack.append((larger, rows, low, high))
            else:
                middle_high, middle_low = high.copy(), low.copy()
                middle_high[tree.feature[node]] = middle_low[tree.feature[node]] = threshold
                stack.append((left, sides[0], low, middle_high))
                stack.append((right, sides[1], middle_low, high))
    return Leaves(np.array(shares), np.array(lowers), np.array(uppers), members)


class Forest(Independent):
    """Mixture of the leaves of an adversarial random forest."""

    name = "arf"

    def fit(self, X: np.ndarray, is_mass: np.ndarray, seed: int = 0) -> Forest:
        super().fit(X, is_mass)
        self.tail = 1.0 / (len(X) + 1)
        random_state = np.random.RandomState(seed)
        synthetic = np.column_stack([random_state.permutation(column) for column in X.T])
        labels = np.repeat([0, 1], len(X))
        accuracy = np.inf
        for _ in range(N_ROUNDS + 1):
            forest = RandomForestClassifier(
                N_TREES, min_samples_leaf=LEAST_ROWS, oob_score=True, random_state=random_state
            ).fit(np.vstack([X, synthetic]), labels)
            if forest.oob_score_ > accuracy:
                break
            accuracy = forest.oob_score_
            self.leaves = leaves_of(forest, X)
            if accuracy <= 0.5:
                break
            synthetic = self._shuffled(X, random_state)
        self._learn(X)
        return self

    def _shuffled(self, X: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
        """Rows whose cells are from different rows of one leaf."""
        chances = self.leaves.shares / self.leaves.shares.sum()
        counts = random_state.multinomial(len(X), chances)
        parts = [
            np.column_stack([random_state.choice(column, count) for column in X[rows].T])
            for rows, count in zip(self.leaves.rows, counts, strict=True)
            if count
        ]
        return np.vstack(parts)

    def _learn(self, X: np.ndarray) -> None:
        """Per column: means and deviations, or log masses (n_leaves, n_categories)."""
        self.parts: list[tuple[np.ndarray, ...]] = []
        for column, values in zip(self.columns, X.T, strict=True):
            inside = [values[rows][~np.isnan(values[rows])] for rows in self.leaves.rows]
            if isinstance(column, MassColumn):
                k = len(column.masses)
                counts = np.array([np.bincount(part.astype(int), minlength=k) for part in inside])
                counts = counts + PSEUDOCOUNT
                self.parts.append((np.log(counts / counts.sum(axis=1, keepdims=True)),))
                continue
            seen = values[~np.isnan(values)]
            pairs = [(part if len(part) > 1 else seen) for part in inside]
            means = np.array([part.mean() for part in pairs])
            deviations = np.array([part.std(ddof=1) for part in pairs])
            self.parts.append((means, np.maximum(deviations, LEAST_DEVIATION * seen.std())))

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        total = np.tile(np.log(self.leaves.shares), (len(X), 1))
        for j, (part, values) in enumerate(zip(self.parts, X.T, strict=True)):
            rows = ~np.isnan(values)
            seen = values[rows, None]
            if self.is_mass[j]:
                total[rows] += part[0][:, seen[:, 0].astype(int)].T
                continue
            means, deviations = part
            low, high = (
                (side[:, j] - means) / deviations for side in (self.leaves.lower, self.leaves.upper)
            )
            first, last = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
            log_last = log_ndtr(last)
            with np.errstate(invalid="ignore"):  # leaves of missing cells lie beyond infinity
                log_inside = log_last + np.log1p(-np.exp(log_ndtr(first) - log_last))
            density = -0.5 * ((seen - means) / deviations) ** 2
            density -= np.log(deviations * np.sqrt(2 * np.pi)) + log_inside
            is_in = (seen > self.leaves.lower[:, j]) & (seen <= self.leaves.upper[:, j])
            total[rows] += np.where(is_in, density, -np.inf)
        outer = np.log(self.tail) + super().log_prob(X)
        return np.logaddexp(np.log1p(-self.tail) + logsumexp(total, axis=1), outer)

    def sample(self, n_rows: int, random_state: np.random.RandomState) -> np.ndarray:
        chances = self.leaves.shares / self.leaves.shares.sum()
        which = random_state.choice(len(chances), n_rows, p=chances)
        columns = []
        for j, part in enumerate(self.parts):
            uniform = random_state.random_sample(n_rows)
            if self.is_mass[j]:
                sums = np.exp(part[0][which]).cumsum(axis=1)
                codes = (uniform[:, None] * sums[:, -1:] > sums).sum(axis=1)
                columns.append(codes.astype(float))
                continue
            means, deviations = (values[which] for values in part)
            low = (self.leaves.lower[which, j] - means) / deviations
            high = (self.leaves.upper[which, j] - means) / deviations
            drawn = means + deviations * between(low, high, uniform)
            columns.append(np.where(np.isinf(drawn), np.nan, drawn))
        return np.column_stack(columns)


PEERS = {method.name: method for method in (Independent, GaussianCopula, Mixture, Forest)}
