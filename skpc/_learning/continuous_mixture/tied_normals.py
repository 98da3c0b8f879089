"""Normal distributions of numeric columns, on their normal scale, that a decoder gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skpc._circuit.inputs.cells import cell_table, log_likelihoods, moments
from skpc._data.margin_cells import cells_of_columns, middles
from skpc._data.margins import Margin
from skpc._kernels.cells import CellTable

_WIDE = 0.05  # a cell that is not is as good as a point
_LEAST_DEVIATION = 0.05
_MOST_DEVIATION = 3.0
_HALF_LOG_TWO_PI = 0.5 * np.log(2.0 * np.pi)


class Shown(NamedTuple):
    """What the distinct values of numeric columns show.

    Attributes
    ----------
    scores : per column, (n_values,) float32
        Of points; zero of others.
    places : per column, (n_values,) int
        The number of a value's wide cell among those of all columns; -1 of a point, -2 of a
        missing value.
    log_scales : per column, (n_values,)
        What a density gains, in nats.
    cells : CellTable
        The wide cells.
    """

    scores: list[np.ndarray]
    places: list[np.ndarray]
    log_scales: list[np.ndarray]
    cells: CellTable


class TiedNormals:
    """How numbers from a decoder become means and deviations, and the gradient back.

    Of each column there are three features of a point: its square, itself, and one; then an
    indicator for each wide cell.

    Parameters
    ----------
    margins : sequence of m Margin

    Attributes
    ----------
    n_outputs : int
    """

    def __init__(self, margins: Sequence[Margin]) -> None:
        self.margins = list(margins)
        self.n_outputs = 2 * len(self.margins)

    def shown(self, values: Sequence[np.ndarray]) -> Shown:
        """What values (n_values,) of each column show, NaN missing."""
        cells = cells_of_columns(self.margins, values)
        lower, upper, _ = cells
        is_missing = np.isinf(lower) & np.isinf(upper)
        is_wide = ~is_missing & (upper - lower > _WIDE)
        is_point = ~is_missing & ~is_wide
        points, of_points = middles(cells)
        place = np.where(is_point, -1, -2)
        place[is_wide] = np.arange(np.count_nonzero(is_wide))
        stops = np.cumsum([len(own) for own in values])
        own_slices = [
            slice(stop - len(own), stop) for stop, own in zip(stops, values, strict=True)
        ]  # fmt: skip
        wide = [own[is_wide[part]] for own, part in zip(values, own_slices, strict=True)]
        sizes = np.array([len(own) for own in wide], np.int64)
        scores = np.where(is_point, points, 0.0).astype(np.float32)
        gained = np.where(is_point, of_points, 0.0)
        return Shown(
            [scores[part] for part in own_slices],
            [place[part] for part in own_slices],
            [gained[part] for part in own_slices],
            cell_table(self.margins, wide, np.cumsum(sizes) - sizes),
        )

    def n_features(self, shown: Shown) -> int:
        """Number of features of rows that show no other values."""
        return 3 * len(self.margins) + len(shown.cells.lower)

    def fill(self, shown: Shown, symbols: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Write the features of rows whose values are numbered (m, n); return their log scales."""
        n_columns = len(self.margins)
        gained = np.zeros(symbols.shape[1])
        for column, numbers in enumerate(symbols):
            place = shown.places[column][numbers]
            score = shown.scores[column][numbers]
            out[:, column] = score * score
            out[:, n_columns + column] = score
            out[:, 2 * n_columns + column] = place == -1
            rows = np.flatnonzero(place >= 0)
            out[rows, 3 * n_columns + place[rows]] = 1.0
            gained += shown.log_scales[column][numbers]
        return gained

    def parameters(self, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations (n, m) of outputs (n, 2 m)."""
        means, logs = np.split(outputs, 2, axis=1)
        return means, np.clip(np.exp(np.clip(logs, -5.0, 5.0)), _LEAST_DEVIATION, _MOST_DEVIATION)

    def log_tables(self, shown: Shown, outputs: np.ndarray, out: np.ndarray) -> None:
        """Write what each feature adds to the log likelihood, for each of the outputs."""
        n_columns = len(self.margins)
        means, deviations = self.parameters(outputs)
        precisions = deviations**-2
        out[:, :n_columns] = -0.5 * precisions
        out[:, n_columns : 2 * n_columns] = means * precisions
        out[:, 2 * n_columns : 3 * n_columns] = (
            -0.5 * means**2 * precisions - np.log(deviations) - _HALF_LOG_TWO_PI
        )
        if len(shown.cells.lower):
            args = (part.T.astype(np.float64) for part in (means, deviations))
            out[:, 3 * n_columns :] = log_likelihoods(shown.cells, *args).T

    def of_outputs(
        self, shown: Shown, outputs: np.ndarray, counts: np.ndarray, out: np.ndarray
    ) -> None:
        """Write the gradient in outputs of counts (n, n_features) times what features add."""
        n_columns = len(self.margins)
        means, deviations = self.parameters(outputs)
        second, first, zeroth = np.split(counts[:, : 3 * n_columns].astype(np.float64), 3, axis=1)
        if len(shown.cells.lower):
            args = (part.T.astype(np.float64) for part in (means, deviations))
            own = np.ascontiguousarray(counts[:, 3 * n_columns :].T, np.float64)
            of_cells = moments(shown.cells, own, *args)
            zeroth += of_cells[..., 0].T
            first += of_cells[..., 1].T
            second += of_cells[..., 2].T
        of_means = (first - means * zeroth) / deviations**2
        of_logs = (second - 2.0 * means * first + means**2 * zeroth) / deviations**2 - zeroth
        logs = outputs[:, n_columns:]
        held = (deviations <= _LEAST_DEVIATION) & (of_logs < 0.0) & (logs < 0.0)
        held |= (deviations >= _MOST_DEVIATION) & (of_logs > 0.0)
        out[:, :n_columns] = of_means
        out[:, n_columns:] = np.where(held, 0.0, of_logs)
