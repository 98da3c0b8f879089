"""Input distributions as named arrays, and back: what the stored form knows of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skpc._checks import shown
from skpc._circuit.inputs.base import InputDistribution
from skpc._circuit.inputs.inputs import Inputs
from skpc._circuit.inputs.kinds import KINDS, kind_named
from skpc._data.scope import BINOMIAL, CATEGORICAL, COMPOSITE
from skpc._kernels.mstep import WEIGHT_FLOOR

_OF_CATEGORIES = ("categories", "probs", "unseen")
_AND = "+"  # between the kinds of a composite's parts
_ROUNDING = 1e-8  # of sums of probabilities


class StoredInput(NamedTuple):
    """The distribution of a region as plain data.

    Attributes
    ----------
    columns : (m,) int64
    kind : str, or None where nothing is observed
    arrays : dict of float64 arrays
    """

    columns: np.ndarray
    kind: str | None
    arrays: dict[str, np.ndarray]


def stored(inputs: Inputs) -> list[StoredInput]:
    """The distribution of each region; arrays are views, not copies, where they can be."""
    found = []
    for region, (columns, values) in enumerate(
        zip(inputs.features, inputs.categories, strict=True)
    ):
        kind, arrays = inputs.kinds[region], {}
        if values is None:
            arrays = inputs[region].to_arrays()
            if kind == COMPOSITE:
                kind = _AND.join(arrays.pop("kinds").tolist())
            arrays = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
        elif len(values):
            rows = slice(inputs.start[region], inputs.start[region + 1])
            arrays = {
                "categories": values,
                "probs": inputs.probs[rows],
                "unseen": inputs.unseen[region],
            }
        found.append(StoredInput(columns, kind, arrays))
    return found


def parts_of(region: StoredInput) -> list[StoredInput]:
    """The parts of a region of several kinds; else itself."""
    if region.kind is None or _AND not in region.kind:
        return [region]
    parts, first = [], 0
    for i, kind in enumerate(region.kind.split(_AND)):
        arrays = {
            name.removeprefix(f"{i}."): values
            for name, values in region.arrays.items()
            if name.startswith(f"{i}.")
        }
        end = first + kind_named(kind).from_arrays(arrays).n_columns
        parts.append(StoredInput(region.columns[first:end], kind, arrays))
        first = end
    return parts


def restored(regions: Sequence[StoredInput], n_latents: int) -> Inputs:
    """The distributions of these regions, of which `columns` are checked.

    Raises
    ------
    ValueError
        That names the field, the region, the value and a remedy, if one is no distribution.
    """
    others: dict[int, InputDistribution] = {}
    categories: list[np.ndarray | None] = []
    probs, unseen = [np.empty((0, n_latents))], np.full((len(regions), n_latents), WEIGHT_FLOOR)
    for region, (columns, kind, given) in enumerate(regions):
        _check_kind(region, kind, given, len(columns))
        if kind not in (None, CATEGORICAL, BINOMIAL):
            categories.append(None)
            others[region] = _distribution(region, str(kind), given, (n_latents, len(columns)))
            continue
        if kind is None:
            categories.append(np.empty(0))
            continue
        values = _array(given, "categories", region, (None,))
        categories.append(values)
        probs.append(_array(given, "probs", region, (len(values), n_latents)))
        unseen[region] = _array(given, "unseen", region, (n_latents,))
    is_binomial = np.array([kind == BINOMIAL for _, kind, _ in regions])
    features = [columns for columns, _, _ in regions]
    inputs = Inputs(features, categories, np.concatenate(probs), unseen, others, is_binomial)
    _check_categories(inputs)
    return inputs


def by_region(inputs: Inputs, summary: list[np.ndarray]) -> list[np.ndarray | None]:
    """What `Inputs.summarize` finds, region by region; None where nothing is observed."""
    counts = summary[0]
    found: list[np.ndarray | None] = [None] * len(inputs)
    for region in np.flatnonzero(inputs.n_categories).tolist():
        found[region] = counts[inputs.start[region] : inputs.start[region + 1]]
    if len(inputs.numeric):
        found_there = zip(inputs.numeric.regions, summary[1], strict=True)
        for region, part in found_there:
            found[region] = part
    for region, part in zip(inputs.others, inputs.of_others(summary), strict=True):
        found[region] = part
    return found


def _check_kind(
    region: int, kind: str | None, given: dict[str, np.ndarray], n_columns: int
) -> None:
    parts = kind.split(_AND) if isinstance(kind, str) else []
    is_known = kind is None or (parts and all(p in KINDS and p != COMPOSITE for p in parts))
    if not is_known:
        known = ", ".join(shown(kind) for kind in (None, *KINDS) if kind != COMPOSITE)
        raise ValueError(
            f"kind of region {region} must be one of {known}, or some of these joined by "
            f"{shown(_AND)}, side by side; got {shown(kind)}. Import the "
            "module that registers this kind, or write the region as one of these."
        )
    if kind in (None, CATEGORICAL, BINOMIAL):
        if n_columns != len(parts):
            wanted = "no columns" if kind is None else "one column"
            raise ValueError(
                f"columns of region {region} must be {wanted}, for its kind is {shown(kind)}; got "
                f"{n_columns}. Correct its kind, or its columns."
            )
        _check_fields(region, kind, given, () if kind is None else _OF_CATEGORIES)
    elif n_columns < len(parts):
        raise ValueError(
            f"columns of region {region} must be at least one for each part of its kind "
            f"{shown(kind)}; got {n_columns}. Correct its kind, or its columns."
        )
    else:
        names = {
            (f"{i}.{name}" if len(parts) > 1 else name): is_always
            for i, part in enumerate(parts)
            for name, is_always in kind_named(part).array_names().items()
        }
        _check_fields(region, kind, given, tuple(n for n in names if n in given or names[n]))


def _check_fields(
    region: int, kind: str | None, given: dict[str, np.ndarray], wanted: tuple[str, ...]
) -> None:
    if {*given} != {*wanted}:
        odd = sorted(map(str, {*given} ^ {*wanted}))[0]
        what = "lack" if odd in wanted else "must not have"
        raise ValueError(
            f"arrays of region {region} {what} {shown(odd)}: those of a region of kind "
            f"{shown(kind)} are {', '.join(wanted) or 'none'}."
        )


def _array(
    given: dict[str, np.ndarray], name: str, region: int, shape: tuple[int | None, ...]
) -> np.ndarray:
    """An array of a region, of this shape and finite."""
    values = given[name]
    fits = values.ndim == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, values.shape, strict=True)
    )
    if values.dtype != np.float64 or not fits:
        asked = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"{name} of region {region} must be an array of float64 of shape ({asked}), as its "
            f"columns and the states ask for; got {values.dtype} of shape {values.shape}. Reshape "
            "it, or correct what it belongs to."
        )
    if not np.isfinite(values).all():
        bad = values[~np.isfinite(values)].flat[0]
        raise ValueError(
            f"{name} of region {region} must be finite; got {shown(bad)}. Replace it by a number."
        )
    return values


def _distribution(
    region: int, kind: str, given: dict[str, np.ndarray], shape: tuple[int, int]
) -> InputDistribution:
    """The distribution of a region that has no table, for so many states and columns."""
    for name, values in given.items():
        _array(given, name, region, (None,) * values.ndim)
    arrays = dict(given)
    if _AND in kind:
        arrays["kinds"] = np.array(kind.split(_AND))
    try:
        made = kind_named(COMPOSITE if _AND in kind else kind).from_arrays(arrays)
        made.check_arrays(*shape)
    except Exception as error:  # arrays from a file may be anything
        extremes = "; ".join(
            f"{name} of shape {values.shape} are from {np.min(values)} to {np.max(values)}"
            for name, values in given.items()
            if values.size
        )
        raise ValueError(
            f"arrays of region {region} are no distribution of kind {shown(kind)}: {error} Here "
            f"{extremes or 'are no arrays'}. Correct them."
        ) from error
    return made


def _check_categories(inputs: Inputs) -> None:
    """Raise ValueError that names a region whose distributions of categories are none."""
    if not inputs.start[-1]:
        return
    flat = np.concatenate([known for known in inputs.categories if known is not None])
    region_of = np.repeat(np.arange(len(inputs)), inputs.n_categories)
    steps, is_inner = np.diff(flat), region_of[1:] == region_of[:-1]
    _refuse(
        "categories", is_inner & ~(steps > 0), region_of[1:], flat[1:],
        "be sorted and distinct", "Sort them, with the rows of probs.",
    )  # fmt: skip
    is_level = inputs.is_binomial[region_of[1:]]
    _refuse(
        "categories", is_level & ((is_inner & (steps != 1)) | (flat[1:] % 1 != 0)),
        region_of[1:], flat[1:],
        "be consecutive integers, for its kind is 'binomial'", "Add the levels in between.",
    )  # fmt: skip
    is_off = ~((inputs.probs > 0) & (inputs.probs <= 1 + _ROUNDING))
    _refuse(
        "probs", np.any(is_off, axis=1), region_of, _first(inputs.probs, is_off),
        "be above 0 and at most 1", "Give what is impossible 1e-30.",
    )  # fmt: skip
    occupied = np.flatnonzero(inputs.n_categories)
    sums = np.add.reduceat(inputs.probs, inputs.start[occupied], axis=0)
    is_off = np.abs(sums - 1) > _ROUNDING
    _refuse(
        "probs", np.any(is_off, axis=1), occupied, _first(sums, is_off),
        "sum to one over the categories, in every state", "Divide them by their sums.",
    )  # fmt: skip
    is_off = ~((inputs.unseen > 0) & (inputs.unseen <= 1 + _ROUNDING))
    _refuse(
        "unseen", np.any(is_off, axis=1), np.arange(len(inputs)), _first(inputs.unseen, is_off),
        "be above 0 and at most 1", "Give what is impossible 1e-30.",
    )  # fmt: skip


def _first(values: np.ndarray, is_off: np.ndarray) -> np.ndarray:
    """Of each row the first value that is off."""
    return values[np.arange(len(values)), is_off.argmax(axis=1)]


def _refuse(
    name: str,
    is_off: np.ndarray,
    region_of: np.ndarray,
    values: np.ndarray,
    rule: str,
    remedy: str,
) -> None:
    if is_off.any():
        i = is_off.argmax()
        raise ValueError(
            f"{name} of region {region_of[i]} must {rule}; got {shown(values[i])}. {remedy}"
        )
