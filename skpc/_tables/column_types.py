"""One column of a table: its type, its categories, and how they are learnt from its cells."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from skpc._checks import attributes, checked_array, level_of_caller, shown
from skpc._data.margins import Margin
from skpc._data.scope import BINOMIAL, CATEGORICAL, NUMERIC
from skpc._tables import frames
from skpc._tables.cells import Cells
from skpc._tables.numbers import BOOLEAN, EXACT_LIMIT, Numbers, is_whole

if TYPE_CHECKING:
    from skpc._circuit.inputs.base import InputDistribution

_DISCRETE = CATEGORICAL, BINOMIAL
_OF_LABELS = CATEGORICAL, BINOMIAL, NUMERIC
_MOST_CODES = 10
_ROWS_PER_CODE = 5
_MANY_LABELS = 1_000
_MANY_LEVELS = 10_000
_LEAST_NAMES = 10
_SHARE_OF_NAMES = 0.9
LARGEST_VALUE = 1e150
"""What a column of numbers may have: more could not be squared."""


def _kinds() -> dict[str, type[InputDistribution]]:
    from skpc._circuit.inputs.kinds import KINDS  # which imports Numba

    return KINDS


def known_types() -> tuple[str, ...]:
    """The types that a column may have: kinds of input distributions, by name."""
    others = (name for name, kind in _kinds().items() if kind.is_type and name not in _DISCRETE)
    return *_DISCRETE, *others


def check_values(values: np.ndarray, kind: str, name: str) -> None:
    """Raise ValueError if values of a column (n,), NaN missing, cannot be of this kind."""
    values = values[~np.isnan(values)]
    if values.size:
        largest = values[np.abs(values).argmax()]
        if abs(largest) > LARGEST_VALUE:
            raise ValueError(
                f"X contains a value too large to be squared: {largest} in {name}. Rescale the "
                "column."
            )
        try:
            _kinds()[kind].check_values(values)
        except ValueError as error:
            raise ValueError(f"{name} cannot be of type {shown(kind)}: {error}") from error


def column_name(names: Sequence[Any] | None, j: int) -> str:
    """How messages call column `j`."""
    if names is None:
        return f"column {j}"
    return f"column {shown(names[j] if isinstance(names[j], tuple) else str(names[j]))}"


@dataclass(frozen=True)
class Column:
    """How one column of a table is read.

    Attributes
    ----------
    type : str
        One of `known_types`.
    categories : (n_categories,) float64 or None
        Sorted values in the matrix, consecutive integers if it is binomial; None if the column is
        numeric or Gaussian.
    labels : (n_categories,) object array or None
        What the categories of a column of labels, or its levels, are called; None of numbers.
    numbers : Numbers or None
        Of what kind the numbers of the table are; None if they are labels.
    dtype : tuple
        What the column was made of, to give the same back: the plain form of `_frames`.
    margin : Margin or None
        The distribution of a numeric column.
    """

    type: str
    categories: np.ndarray | None
    labels: np.ndarray | None
    numbers: Numbers | None
    dtype: tuple[Any, ...]
    margin: Margin | None = None

    def restore(self, values: np.ndarray) -> np.ndarray:
        """What values (n,) in the matrix, none of them missing, stand for."""
        values = self.supported(values)
        if self.labels is not None:
            return self.labels[values.astype(np.intp)]
        return values if self.numbers is None else self.numbers.restore(values)

    def restored(self, values: np.ndarray) -> list[Any]:
        """The same as plain values, also of numbers that the column does not show."""
        found: list[Any] = replace(self, margin=None).restore(values).tolist()
        return found

    def restored_bound(self, bound: float) -> Any:
        """What a bound in the matrix stands for, which may be between the column's values."""
        if self.labels is None and self.numbers is not None and not self.numbers.can_hold(bound):
            return int(bound) if is_whole(bound) else bound
        is_level = self.labels is not None or (self.numbers is not None and is_whole(bound))
        return self.restored(np.array([bound]))[0] if is_level else bound

    def supported(self, values: np.ndarray) -> np.ndarray:
        """The values (n,) in the matrix that the column can have and that are next to these."""
        return values if self.margin is None else self.margin.nearest(values)

    def can_be(self, values: np.ndarray) -> np.ndarray:
        """Which values (n,) in the matrix are categories, or levels, of a column that has such."""
        if self.categories is not None:
            return np.isin(values, self.categories)
        if self.margin is not None and self.margin.step:
            below, at = self.margin.limits(values)
            return below < at
        return np.ones(len(values), bool)

    @classmethod
    def read(cls, state: Any) -> Column:
        """The column of a state from a file: plain things, which are checked."""
        parts = attributes(state, ("type", "categories", "labels", "numbers", "dtype", "margin"))
        kind, labels, dtype = parts["type"], parts["labels"], parts["dtype"]
        if kind not in known_types() or not isinstance(dtype, tuple):
            raise ValueError(f"a column has the type {shown(kind)}, made of {shown(dtype)}.")
        if (parts["numbers"] is None) != (labels is not None):
            raise ValueError("a column must have either labels or a kind of numbers.")
        if labels is None:
            parts["numbers"] = Numbers.read(parts["numbers"])
        if (parts["categories"] is None) == (kind in _DISCRETE):
            raise ValueError("a column must have categories just if it is discrete.")
        if (parts["margin"] is None) == (kind == NUMERIC):
            raise ValueError("a column must have a margin just if it is numeric.")
        if parts["margin"] is not None:
            parts["margin"] = Margin.from_arrays(parts["margin"])
        if parts["categories"] is not None:
            parts["categories"] = checked_array(parts["categories"], "categories", float, (None,))
        if labels is not None:
            parts["labels"] = labels = checked_array(labels, "labels", object, (None,))
            positions = np.arange(len(labels))
            if kind not in _OF_LABELS:
                raise ValueError(f"a column of labels has the type {shown(kind)}.")
            if kind != NUMERIC and not np.array_equal(parts["categories"], positions):
                raise ValueError("categories of a column must be the positions of its labels.")
            if kind == NUMERIC and not 0 <= parts["margin"].low <= parts["margin"].high < len(
                labels
            ):
                raise ValueError("a margin of a column is not of the positions of its labels.")
        if not frames.fit_together(dtype, labels):
            raise ValueError(f"labels of a column are not those of its dtype, {dtype[0]}.")
        return cls(**parts)


def wanted_types(
    feature_types: str | Sequence[str] | Mapping[Any, str], names: Any, n_columns: int
) -> list[str]:
    """The type asked for of every column, or "auto"."""
    allowed = ("auto", *known_types())
    if isinstance(feature_types, str):
        wanted = [feature_types] * n_columns
    elif isinstance(feature_types, Mapping):
        wanted = ["auto"] * n_columns
        for j, kind in zip(
            positions_of(list(feature_types), names, n_columns, "feature_types"),
            feature_types.values(),
            strict=True,
        ):
            wanted[j] = kind
    else:
        wanted = list(feature_types)
        if len(wanted) != n_columns:
            raise ValueError(
                f"feature_types has {len(wanted)} entries for {n_columns} columns; give one for "
                "each, or a mapping from some names or positions."
            )
    for kind in wanted:
        if kind not in allowed:
            raise ValueError(f"feature_types must be among {allowed}; got {shown(kind)}.")
    return [str(kind) for kind in wanted]


def learn_column(
    cells: Cells,
    wanted: str,
    name: str,
    weights: np.ndarray | None,
    numbers: str = NUMERIC,
    known: np.ndarray | None = None,
) -> Column:
    """Type and categories of one column; "auto" takes numbers that are no codes for `numbers`.

    `known` are categories (n,) that it has, whether it shows them or not, and no others.
    """
    if known is not None:
        wanted = CATEGORICAL if wanted == "auto" else wanted
        _check_known(cells, known, wanted, name)
    if cells.labels is not None:
        return _learn_labels(cells, wanted, name, weights, known)
    values = cells.values
    if values.dtype.kind == "f":
        refuse_infinity(values, name)
        values = values[~np.isnan(values)]
    if not values.size:
        raise ValueError(_no_value(name))
    distinct = np.unique(values if known is None else known).astype(np.float64)
    assert cells.numbers is not None
    if cells.exact is not None:
        refuse_merged(cells.exact, distinct, name)
    if wanted == "auto":
        total = _total(~np.isnan(cells.values.astype(np.float64)), weights)
        is_code = cells.numbers.kind == BOOLEAN or are_codes(distinct, total)
        wanted = CATEGORICAL if is_code else numbers
    if wanted == BINOMIAL:
        return Column(BINOMIAL, _levels(distinct, name), None, cells.numbers, cells.dtype)
    if wanted != CATEGORICAL:
        check_values(distinct, wanted, name)
        margin = None
        if wanted == NUMERIC:
            margin = _learn_margin(cells.values, weights)
        return Column(wanted, None, None, cells.numbers, cells.dtype, margin)
    if cells.exact is not None:
        refuse_lost(cells.numbers, cells.exact, name)
    return Column(CATEGORICAL, distinct, None, cells.numbers, cells.dtype)


def are_codes(distinct: np.ndarray, total: float) -> bool:
    """Whether distinct numbers of a column of so many rows are a short list of codes.

    There are few, with rows for each; or no more than two integers.
    """
    if len(distinct) <= 2 and np.array_equal(distinct, np.floor(distinct)):
        return True
    return len(distinct) <= _MOST_CODES and _ROWS_PER_CODE * len(distinct) <= total


def name_rows(n_labels: int, total: float) -> bool:
    """Whether so many different labels in so many rows are names, which new rows will not have."""
    return n_labels >= _LEAST_NAMES and n_labels > _SHARE_OF_NAMES * total


def _total(is_present: np.ndarray, weights: np.ndarray | None) -> float:
    """How many rows, by their weights, have a value."""
    return float(is_present.sum()) if weights is None else fsum(weights[is_present])


def _learn_margin(values: np.ndarray, weights: np.ndarray | None, n_labels: int = 0) -> Margin:
    """The margin of a column of numbers (n,), which depends on the set of weighted rows alone."""
    from skpc._tables.margins import learn_margin  # which imports Numba

    values = values.astype(np.float64) + 0.0  # no negative zero
    is_seen = ~np.isnan(values)
    values = values[is_seen]
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)[is_seen]
    order = np.lexsort([weights, values])
    distinct, first = np.unique(values[order], return_index=True)
    return learn_margin(distinct, np.add.reduceat(weights[order], first), n_labels=n_labels)


def known_categories(
    categories: Any, names: Sequence[Any] | None, n_columns: int
) -> list[np.ndarray | None]:
    """The categories that are named of each column, as an array of objects; None where none are.

    Parameters
    ----------
    categories : mapping from names or positions, sequence of n_columns, or None
        Of sequences of categories; None is none, for a column and in all.
    """
    given = [None] * n_columns
    if isinstance(categories, Mapping):
        places = positions_of(list(categories), names, n_columns, "categories")
        for j, of_column in zip(places, categories.values(), strict=True):
            given[j] = of_column
    elif isinstance(categories, (list, tuple)):
        given = list(categories)
        if len(given) != n_columns:
            raise ValueError(
                f"categories has {len(given)} entries for {n_columns} columns; give one for each, "
                "None where there is nothing to say, or a dict from names or positions."
            )
    elif categories is not None:
        raise ValueError(
            "categories must be a dict from names or positions of columns to their categories, or "
            f"a list with an entry for each column; got a {type(categories).__name__}."
        )
    return [
        None if of_column is None else _as_objects(of_column, column_name(names, j))
        for j, of_column in enumerate(given)
    ]


def _as_objects(of_column: Any, name: str) -> np.ndarray:
    """The categories of a column that are named, none of them missing, at least one."""
    if isinstance(of_column, (str, bytes)) or not isinstance(of_column, Iterable):
        raise ValueError(
            f"categories of {name} must be a sequence of categories; got {shown(of_column)}."
        )
    values = [value.item() if isinstance(value, np.generic) else value for value in of_column]
    missing = [value for value in values if value is None or value != value]
    if missing or not values:
        what = shown(missing[0]) if missing else "none"
        raise ValueError(
            f"categories of {name} must be at least one, and none of them missing; got {what}. "
            "Missing values need no name."
        )
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _check_known(cells: Cells, known: np.ndarray, wanted: str, name: str) -> None:
    """Raise ValueError if a column that has these cells cannot have these categories, and all."""
    if wanted not in _DISCRETE:
        raise ValueError(
            f"categories names some of {name}, to which feature_types gives {shown(wanted)}. Leave "
            "the column out of one of the two."
        )
    is_label = [isinstance(value, str) for value in known]
    is_number = [isinstance(value, (Real, np.bool_)) for value in known]
    if not all(is_number if cells.labels is None else is_label):
        kinds = "numbers" if cells.labels is None else "labels"
        raise ValueError(
            f"categories of {name}, which holds {kinds}, must be such; got {shown(known)}."
        )
    if cells.labels is not None and len(cells.labels) and {*cells.labels} != {*known}:
        raise ValueError(
            f"categories of {name} must be those that its dtype declares, "
            f"{shown(list(cells.labels))}; got {shown(known)}. Leave the column out."
        )
    seen = {value for value in cells.values.tolist() if value is not None and value == value}
    unknown = sorted(seen - {*known})
    if wanted == BINOMIAL and cells.labels is None:  # whose levels are all from end to end
        unknown = [value for value in unknown if not min(known) <= value <= max(known)]
    if unknown:
        value = unknown[0]
        value = int(value) if isinstance(value, float) and is_whole(value) else value
        raise ValueError(
            f"X has a category that is not known: {shown(value)} in {name}. Name it in categories "
            "too, or leave the column out."
        )


def _learn_labels(
    cells: Cells,
    wanted: str,
    name: str,
    weights: np.ndarray | None,
    known: np.ndarray | None = None,
) -> Column:
    """Type and categories of a column of labels."""
    if wanted not in ("auto", *_OF_LABELS):
        raise ValueError(f"feature_types gives {shown(wanted)} to {name}, which holds labels.")
    if wanted in (BINOMIAL, NUMERIC) and not cells.is_ordered:
        raise ValueError(
            f"feature_types gives {shown(wanted)} to {name}, whose labels have no order. Make it "
            "an ordered categorical column, or number its levels."
        )
    is_present = np.array([value is not None for value in cells.values], bool)
    different = set(cells.values[is_present])
    if not different:
        raise ValueError(_no_value(name))
    labels = cells.labels
    if not len(labels):
        labels = np.array(sorted(different if known is None else {*known}), dtype=object)
    if len(labels) > _MANY_LABELS:
        warnings.warn(
            f"{name} has {len(labels)} different labels; memory grows with their square. "
            "Drop the column if it only names rows, or merge rare labels.",
            UserWarning,
            stacklevel=level_of_caller(),
        )
    elif wanted == "auto" and not cells.is_ordered:
        total = _total(is_present, weights)
        if name_rows(len(different), total):
            warnings.warn(
                f"{name} has {len(different)} different labels in {total:g} values: it names "
                "rows and tells nothing else of them; a new row will have a new label. Drop the "
                "column, or say 'categorical' of it in feature_types if it is meant.",
                UserWarning,
                stacklevel=level_of_caller(),
            )
    if wanted == NUMERIC or (wanted == "auto" and cells.is_ordered and len(different) > 2):
        code_of = {label: code for code, label in enumerate(labels)}
        codes = np.array([code_of.get(value, np.nan) for value in cells.values], np.float64)
        margin = _learn_margin(codes, weights, len(labels))
        return Column(NUMERIC, None, labels, None, cells.dtype, margin)
    kind = BINOMIAL if wanted == BINOMIAL else CATEGORICAL
    return Column(kind, np.arange(float(len(labels))), labels, None, cells.dtype)


def refuse_merged(values: Iterable[Any], distinct: np.ndarray, name: str) -> None:
    """Refuse different numbers that are the same in float64, where only these are `distinct`."""
    if len(set(values)) > len(distinct):
        first: dict[float, Any] = {}
        for value in values:
            if first.setdefault(float(value), value) != value:
                raise ValueError(_lost(value, name))


def _lost(value: Any, name: str) -> str:
    if not is_whole(value):
        return (
            f"X has numbers with more digits than float64 has in {name}, such as {value}: it "
            "cannot tell apart such neighbours. Round them, or subtract an offset."
        )
    return (
        f"X has integers beyond 2^53 in {name}, which float64 cannot tell apart. Encode them "
        "as categories 0, 1, 2, ..., or subtract an offset."
    )


def refuse_lost(numbers: Numbers | None, values: Iterable[Any], name: str) -> None:
    """Refuse numbers of a kind that do not come back from float64."""
    lost = None if numbers is None else numbers.first_lost(values)
    if lost is not None:
        raise ValueError(_lost(lost, name))


def _levels(distinct: np.ndarray, name: str) -> np.ndarray:
    """All integers from the least to the greatest of these values."""
    fractions = distinct[distinct != np.floor(distinct)]
    if fractions.size:
        raise ValueError(
            f"feature_types gives 'binomial' to {name}, which has the value {fractions[0]:g}. "
            "Levels are integers: number them, or say 'numeric'."
        )
    largest = max(distinct, key=abs)
    if abs(largest) >= EXACT_LIMIT:
        raise ValueError(
            f"feature_types gives 'binomial' to {name}, which has the value {largest:g}: beyond "
            "2^53 float64 cannot count levels. Subtract an offset, or say 'numeric'."
        )
    if distinct[-1] - distinct[0] >= _MANY_LEVELS:
        raise ValueError(
            f"feature_types gives 'binomial' to {name}, whose values reach from {distinct[0]:g} to "
            f"{distinct[-1]:g}: more than {_MANY_LEVELS} levels. Say 'numeric'."
        )
    return np.arange(distinct[0], distinct[-1] + 1.0)


def _no_value(name: str) -> str:
    return f"X has no value in {name}: every row that counts is missing there. Drop the column."


def positions_of(keys: Sequence[Any], names: Any, n_columns: int, parameter: str) -> list[int]:
    """Column numbers of names or positions, for a parameter that refers to columns."""
    found = []
    known = {name: j for j, name in enumerate(names or ())}
    for key in keys:
        if isinstance(key, Hashable) and key in known:
            found.append(known[key])
        elif isinstance(key, (int, np.integer)) and -n_columns <= key < n_columns:
            found.append(int(key) % n_columns)
        else:
            raise ValueError(
                f"{parameter} names {shown(key)}, which is neither a column name nor a position "
                f"below {n_columns}."
            )
    return found


def are_strings(names: Sequence[Any]) -> bool:
    return all(isinstance(name, str) for name in names)


def refuse_infinity(values: np.ndarray, name: str) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        i = int(np.argmax(infinite))
        raise ValueError(
            f"X contains infinity or a value too large: {values[i]} in row {i}, {name}. Replace "
            "it, or mark it as missing with NaN."
        )
