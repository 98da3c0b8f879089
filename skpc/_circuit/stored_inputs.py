"""Input distributions as named arrays, and back: what the stored form knows of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skpc._checks import shown
from skpc._circuit.inputs.gaussian import Gaussian
from skpc._circuit.inputs.inputs import Inputs
from skpc._kernels.mstep import WEIGHT_FLOOR

CATEGORICAL, BINOMIAL, GAUSSIAN = "categorical", "binomial", "gaussian"
_OF_CATEGORIES = ("categories", "probs", "unseen")
_FIELDS = {
    None: (),
    CATEGORICAL: _OF_CATEGORIES,
    BINOMIAL: _OF_CATEGORIES,
    GAUSSIAN: ("means", "covariances", "scales", "shrinkage", "units"),
}
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
        kind, arrays = None, {}
        if values is None:
            gaussian = inputs.gaussians[region]
            units = np.ones(len(columns)) if gaussian.units is None else gaussian.units
            kind, arrays = GAUSSIAN, {
                "means": gaussian.means,
                "covariances": gaussian.covariances,
                "scales": gaussian.scales,
                "shrinkage": np.array(gaussian.shrinkage, np.float64),
                "units": units,
            }  # fmt: skip
        elif len(values):
            rows = slice(inputs.start[region], inputs.start[region + 1])
            kind = BINOMIAL if inputs.is_binomial[region] else CATEGORICAL
            arrays = {
                "categories": values,
                "probs": inputs.probs[rows],
                "unseen": inputs.unseen[region],
            }
        found.append(StoredInput(columns, kind, arrays))
    return found


def restored(regions: Sequence[StoredInput], n_latents: int) -> Inputs:
    """The distributions of these regions, of which `columns` are checked.

    Raises
    ------
    ValueError
        That names the field, the region, the value and a remedy, if one is no distribution.
    """
    gaussians = {}
    categories: list[np.ndarray | None] = []
    probs, unseen = [np.empty((0, n_latents))], np.full((len(regions), n_latents), WEIGHT_FLOOR)
    for region, (columns, kind, given) in enumerate(regions):
        _check_kind(region, kind, given, len(columns))
        m = len(columns)
        if kind == GAUSSIAN:
            categories.append(None)
            gaussians[region] = _gaussian(region, given, n_latents, m)
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
    inputs = Inputs(features, categories, np.concatenate(probs), unseen, gaussians, is_binomial)
    _check_categories(inputs)
    return inputs


def by_region(inputs: Inputs, summary: list[np.ndarray]) -> list[np.ndarray | None]:
    """What `Inputs.summarize` finds, region by region; None where nothing is observed."""
    counts, *moments = summary
    found: list[np.ndarray | None] = [None] * len(inputs)
    for region in np.flatnonzero(inputs.n_categories).tolist():
        found[region] = counts[inputs.start[region] : inputs.start[region + 1]]
    for region, part in zip(inputs.gaussians, moments, strict=True):
        found[region] = part
    return found


def _check_kind(
    region: int, kind: str | None, given: dict[str, np.ndarray], n_columns: int
) -> None:
    if (kind is not None and not isinstance(kind, str)) or kind not in _FIELDS:
        known = ", ".join(shown(kind) for kind in _FIELDS)
        raise ValueError(
            f"kind of region {region} must be one of {known}; got {shown(kind)}. Read it with a "
            "version of skpc that knows this kind, or write the region as one of these."
        )
    most = {None: 0, GAUSSIAN: np.inf}.get(kind, 1)
    if not (kind is not None) <= n_columns <= most:
        wanted = {None: "no columns", GAUSSIAN: "at least one column"}.get(kind, "one column")
        raise ValueError(
            f"columns of region {region} must be {wanted}, for its kind is {shown(kind)}; got "
            f"{n_columns}. Correct its kind, or its columns."
        )
    wanted_fields = _FIELDS[kind]
    if {*given} != {*wanted_fields}:
        odd = sorted(map(str, {*given} ^ {*wanted_fields}))[0]
        what = "lack" if odd in wanted_fields else "must not have"
        raise ValueError(
            f"arrays of region {region} {what} {odd!r}: those of a region of kind {shown(kind)} "
            f"are {', '.join(wanted_fields) or 'none'}."
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


def _gaussian(
    region: int, given: dict[str, np.ndarray], n_latents: int, n_columns: int
) -> Gaussian:
    shape = n_latents, n_columns
    gaussian = Gaussian(
        _array(given, "means", region, shape),
        _array(given, "covariances", region, (*shape, n_columns)),
        _array(given, "scales", region, (n_columns,)),
        float(_array(given, "shrinkage", region, ())),
        _array(given, "units", region, (n_columns,)),
    )
    try:
        gaussian.check_arrays(n_latents, n_columns)
        gaussian.check()
    except ValueError as error:
        extremes = "; ".join(
            f"{name} are from {np.min(given[name])} to {np.max(given[name])}" for name in given
        )
        raise ValueError(
            f"arrays of region {region} are no Gaussian: {error} Here {extremes}. Correct them."
        ) from error
    return gaussian


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
        "categories", is_inner & is_level & (steps != 1), region_of[1:], flat[1:],
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
