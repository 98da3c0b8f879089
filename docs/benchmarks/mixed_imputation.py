"""Missing cells of real mixed tables filled by SharpPCImputer and by rounds of regressions.

    python docs/benchmarks/mixed_imputation.py [--tables look] [--rates 0.1 0.3] [--jobs 2]
        [--mechanisms MCAR MAR MNAR] [--write docs/benchmarks/RESULTS.md]

Cells of all rows of tables of real_data.py are removed, imputers learn from 70 % of the rows and
fill the others. MCAR: every cell alike. MAR: of every other column, cells whose left neighbour
(kept whole) is large are removed three times as often as where it is small. MNAR: large cells of
any column are removed three times as often as small ones. Cells that a table lacks are not judged.
SharpPCImputer gets the frames as they are, the others numbers: labels and integers by position, the
rest standardised. It fills in medians by default, which have the least absolute errors; with
--strategy mean_mode means, which have the least squared ones, as the regressions.

RMSE and MAE: of columns with a density, divided by their standard deviation in training rows.
wrong: share of cells of columns with masses. CRPS, of the former, and Brier score, of the latter,
judge several draws in their place. ridge and trees: IterativeImputer with BayesianRidge (draws by
its posterior) and ExtraTreesRegressor (no draws), rounded to masses. Means over tables,
mechanism by mechanism; smaller is better.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas
from joblib import Parallel, delayed
from markdown import print_header, print_row, write_table
from real_data import Split, add_options, codes, split, table_names
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.linear_model import BayesianRidge

from skpc import SharpPCDensity, SharpPCImputer

MECHANISMS = ["MCAR", "MAR", "MNAR"]
METRICS = ["RMSE", "MAE", "wrong", "CRPS", "Brier"]
PEERS = ["ridge", "trees"]
N_DRAWS = 20


class Task(NamedTuple):
    """Rows to learn from and to fill, with holes; what was there; which columns have masses.

    As numbers, masses by position and densities standardised, and as frames of what the table has.
    """

    train: np.ndarray
    test: np.ndarray
    truth: np.ndarray
    part: Split
    values: list[np.ndarray | None]
    shift: np.ndarray
    scale: np.ndarray

    @property
    def is_mass(self) -> np.ndarray:
        """Which columns have masses."""
        return self.part.is_mass

    def coded(self, filled: pandas.DataFrame) -> np.ndarray:
        """The numbers that a filled frame of test rows stands for."""
        out = np.empty(filled.shape)
        for j, (name, known) in enumerate(zip(filled.columns, self.values, strict=True)):
            if known is None:
                out[:, j] = (filled[name].to_numpy(float) - self.shift[j]) / self.scale[j]
            elif known.dtype == object:
                out[:, j] = pandas.Index(known).get_indexer(filled[name])
            else:
                numbers = filled[name].to_numpy(float)
                out[:, j] = np.abs(numbers[:, None] - known.astype(float)).argmin(axis=1)
        return out


def removed(X: np.ndarray, rate: float, mechanism: str, seed: int) -> np.ndarray:
    """Which cells of X (n, d) to remove; of every column, two cells are kept."""
    random_state = np.random.RandomState(seed)
    chance = np.full(X.shape, rate)
    ranks = pandas.DataFrame(X).rank(pct=True).fillna(0.5).to_numpy()
    if mechanism == "MNAR":
        chance = np.where(ranks > 0.5, 1.5, 0.5) * rate
    elif mechanism == "MAR":
        chance[:, ::2] = 0.0
        drivers = ranks[:, ::2][:, : chance[:, 1::2].shape[1]]
        chance[:, 1::2] = np.where(drivers > 0.5, 1.5, 0.5) * rate
    return random_state.random_sample(X.shape) < chance


def make_task(table: str, rate: float, mechanism: str, seed: int) -> Task:
    """Split a table and remove cells; columns with fewer than two values left are left out."""
    part = split(table, seed, is_spread=False)
    train, truth, values = codes(part)
    rows = np.vstack([train, truth])
    holes = np.where(removed(rows, rate, mechanism, seed), np.nan, rows)
    test = holes[len(train) :]
    train = holes[: len(train)]
    for j in np.flatnonzero(part.is_mass):
        test[~np.isin(test[:, j], train[:, j]), j] = np.nan
    kept = np.array([len(np.unique(column[~np.isnan(column)])) >= 2 for column in train.T])
    shown = [
        frame.loc[:, kept].mask(np.isnan(matrix[:, kept]))
        for frame, matrix in ((part.train, train), (part.test, test))
    ]
    shift = np.where(part.is_mass, 0.0, np.nanmean(train, axis=0))
    scale = np.where(part.is_mass, 1.0, np.nanstd(train, axis=0))
    return Task(
        *(((matrix - shift) / scale)[:, kept] for matrix in (train, test, truth)),
        Split(*shown, part.is_mass[kept]),
        [known for known, is_kept in zip(values, kept, strict=True) if is_kept],
        shift[kept],
        scale[kept],
    )


def rounded(task: Task, filled: np.ndarray) -> np.ndarray:
    """Columns with masses moved to the nearest value that the training part has."""
    filled = filled.copy()
    for j in np.flatnonzero(task.is_mass):
        values = np.unique(task.train[~np.isnan(task.train[:, j]), j])
        filled[:, j] = values[np.abs(filled[:, [j]] - values).argmin(axis=1)]
    return filled


def rounds(task: Task, name: str, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Filled rows and draws of scikit-learn's rounds of regressions."""
    if name == "trees":
        trees = ExtraTreesRegressor(50, random_state=seed)
        imputer = IterativeImputer(trees, max_iter=5, random_state=seed).fit(task.train)
        return rounded(task, imputer.transform(task.test)), []
    imputer = IterativeImputer(BayesianRidge(), random_state=seed).fit(task.train)
    drawing = IterativeImputer(BayesianRidge(), sample_posterior=True, random_state=seed)
    drawing.fit(task.train)
    draws = [rounded(task, drawing.transform(task.test)) for _ in range(N_DRAWS)]
    return rounded(task, imputer.transform(task.test)), draws


def ours(
    task: Task, parameters: dict[str, Any], numeric: str, strategy: str, seed: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Filled rows and draws of SharpPCImputer, by default as a user has it: from frames."""
    estimator = None
    if parameters or numeric != "auto":
        types = task.part.feature_types(numeric)
        estimator = SharpPCDensity(**{"feature_types": types, **parameters})
    imputer = SharpPCImputer(estimator, strategy=strategy, random_state=seed).fit(task.part.train)
    filled = task.coded(imputer.transform(task.part.test))
    imputer.set_params(strategy="sample")
    draws = [
        task.coded(imputer.set_params(random_state=i).transform(task.part.test))
        for i in range(N_DRAWS)
    ]
    return filled, draws


def scores(task: Task, filled: np.ndarray, draws: list[np.ndarray]) -> list[float]:
    """The metrics, NaN where there is nothing to judge."""
    holes = np.isnan(task.test) & ~np.isnan(task.truth)
    dense, mass = holes & ~task.is_mass, holes & task.is_mass
    wrong = filled[dense] - task.truth[dense]
    found = [np.sqrt(np.mean(wrong**2)), np.mean(np.abs(wrong))]
    found.append(np.mean(filled[mass] != task.truth[mass]) if mass.any() else np.nan)
    if not draws:
        return [*map(float, found), np.nan, np.nan]
    m = len(draws)
    drawn = np.sort([rows[dense] for rows in draws], axis=0)
    # E|x - x'| over pairs of different draws, from sorted ones
    ranks = 2 * np.arange(1, m + 1) - m - 1
    spread = 2 * (ranks[:, None] * drawn).sum(axis=0) / (m * (m - 1))
    found.append(np.mean(np.abs(drawn - task.truth[dense]).mean(axis=0) - spread / 2))
    if not mass.any():
        return [*map(float, found), np.nan]
    votes = np.array([rows[mass] for rows in draws])
    is_right = (votes == task.truth[mass]).mean(axis=0)
    same = (votes[:, None] == votes).sum(axis=(0, 1)) - m
    found.append(np.mean(1 - 2 * is_right + same / (m * (m - 1))))  # unbiased for any m
    return list(map(float, found))


def measure(
    method: object, table: str, rate: float, mechanism: str, seed: int, numeric: str, strategy: str
) -> list[float]:
    """The metrics of one method on one split."""
    warnings.simplefilter("ignore")
    task = make_task(table, rate, mechanism, seed)
    if isinstance(method, str):
        return scores(task, *rounds(task, method, seed))
    return scores(task, *ours(task, method[1], numeric, strategy, seed))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.set_defaults(variant=[("SharpPCImputer", {})])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.3])
    parser.add_argument("--mechanisms", nargs="+", default=MECHANISMS)
    parser.add_argument("--peers", nargs="*", default=PEERS)
    parser.add_argument("--strategy", default="median_mode", choices=["median_mode", "mean_mode"])
    parser.add_argument("--write", type=Path, help="document to write the table to")
    options = parser.parse_args()
    tables = table_names(options.tables)
    methods: list = [*options.peers, *options.variant]
    names = [*options.peers, *(name for name, _ in options.variant)]
    settings = [(rate, mechanism) for mechanism in options.mechanisms for rate in options.rates]
    jobs = [
        (method, table, *setting, seed, options.numeric_type, options.strategy)
        for setting in settings
        for method in methods
        for table in tables
        for seed in range(options.seeds)
    ]
    results = Parallel(options.jobs, return_as="generator")(delayed(measure)(*job) for job in jobs)
    lines = print_header(["missing", "method", *METRICS])
    for rate, mechanism in settings:
        for name in names:
            cells = np.array([next(results) for _ in range(len(tables) * options.seeds)])
            means = ["" if np.isnan(c).all() else f"{np.nanmean(c):.3f}" for c in cells.T]
            lines.append(print_row([f"{mechanism} {rate:.0%}", name, *means]))
    if options.write:
        write_table(options.write, "mixed-imputation", lines)


if __name__ == "__main__":
    main()
