"""The normal scale of numeric columns: priors there, and the way back to the units of a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from skpc._circuit.inputs.covariances import floored
from skpc._circuit.inputs.moments import Moments
from skpc._data.margins import Margin

MEAN_ROWS = 0.1
"""Rows at zero, the mean of all states together, that each state's mean is averaged with."""

MEAN_SHARE = 0.01
"""So much of `shrinkage` is added to them: much of it leaves nothing but the margin."""

VARIANCE_ROWS = 1.0
"""Rows of the variance that states which divide a column among them would have."""

GROUP_ROWS = 0.1
"""The same in a group of columns, to which it would be a sphere."""

POOLED_ROWS = 0.1
"""Rows of the variance one that the variance within all states is averaged with."""

LEAST_DEVIATION = 1e-6
LEAST_FREE_DEVIATION = 1e-3  # of a state that no prior holds

_REACH = 8.0  # standard deviations that nodes of a quadrature reach to
_BLOCK = 2**13


def usual_variance(n_latents: int, n_columns: int) -> float:
    """Of a state, along any direction, where states divide the space of a group among them."""
    return float(n_latents ** (-2.0 / n_columns))


def expected_moments(masses: np.ndarray, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Counts, sums and sums of squares (..., 3) of so many rows that states (...,) draw.

    Cells make no difference: what they let expect is that of the state, on average.
    """
    return np.stack([masses, masses * means, masses * (means**2 + deviations**2)], axis=-1)


def updated(
    summary: np.ndarray, means: np.ndarray, deviations: np.ndarray, shrinkage: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The most probable means and deviations, given expected moments, under the prior.

    Parameters
    ----------
    summary : (..., K, 3)
        Counts, sums and sums of squares.
    means, deviations : (..., K)
        What a state without counts keeps.
    shrinkage : (...,)
        Rows of the variance within all states that each state's is averaged with.
    """
    counts, first, second = np.moveaxis(summary, -1, 0)
    has_flow = counts > 0
    counts = np.where(has_flow, counts, 0.0)
    shrinkage = np.asarray(shrinkage)[..., None]
    mean_rows = MEAN_ROWS + MEAN_SHARE * shrinkage
    new_means = np.where(has_flow, first / (counts + mean_rows), means)
    # Of the rows and those at zero about the new mean.
    scatter = np.where(has_flow, np.maximum(second - first * new_means, 0.0), 0.0)
    pooled = scatter.sum(axis=-1, keepdims=True) + POOLED_ROWS
    pooled = pooled / (counts.sum(axis=-1, keepdims=True) + POOLED_ROWS)
    usual = usual_variance(means.shape[-1], 1)
    variances = (scatter + VARIANCE_ROWS * usual + shrinkage * pooled) / (
        counts + VARIANCE_ROWS + shrinkage
    )
    new_deviations = np.maximum(np.sqrt(variances), LEAST_DEVIATION)
    return new_means, np.where(has_flow, new_deviations, deviations)


def updated_group(
    summary: np.ndarray, means: np.ndarray, covariances: np.ndarray, shrinkage: float
) -> tuple[np.ndarray, np.ndarray]:
    """The same of groups of m columns.

    Parameters
    ----------
    summary : (K, 1 + m + m^2)
        Moments about `means`.
    means, covariances : (K, m) and (K, m, m)
    shrinkage : float
    """
    n_latents, m = means.shape
    counts = summary[:, 0]
    has_flow = counts > 0
    counts = np.where(has_flow, counts, 0.0)
    mean_rows = MEAN_ROWS + MEAN_SHARE * shrinkage
    safe = np.where(has_flow, counts, 1.0)[:, None]
    centres = summary[:, 1 : 1 + m] / safe  # of the rows, from the former means
    own = means + centres
    new_means = own * (counts / (counts + mean_rows))[:, None]
    scatter = summary[:, 1 + m :].reshape(n_latents, m, m)
    scatter = scatter - counts[:, None, None] * centres[:, :, None] * centres[:, None, :]
    between = counts * mean_rows / (counts + mean_rows)
    scatter = scatter + between[:, None, None] * own[:, :, None] * own[:, None, :]
    scatter = np.where(has_flow[:, None, None], scatter, 0.0)
    pooled = (scatter.sum(axis=0) + POOLED_ROWS * np.eye(m)) / (counts.sum() + POOLED_ROWS)
    prior = GROUP_ROWS * usual_variance(n_latents, m) * np.eye(m) + shrinkage * pooled
    found = (scatter + prior) / (counts + GROUP_ROWS + shrinkage)[:, None, None]
    found = floored(found, np.ones(m))
    return (
        np.where(has_flow[:, None], new_means, means),
        np.where(has_flow[:, None, None], found, covariances),
    )


def moments_in_units(
    margin: Margin, means: np.ndarray, variances: np.ndarray, step: float
) -> Moments:
    """Means and variances, in units of the column, of normal variables on the normal scale.

    By the trapezoidal rule, whose error is that of rounding where the way back is smooth; a jump
    of it may be off by half a step.

    Parameters
    ----------
    margin : Margin
    means, variances : arrays of one shape
    step : float
        From node to node, in standard deviations.
    """
    n_steps = int(_REACH / step)
    nodes = np.arange(-n_steps, n_steps + 1) * step
    masses = np.exp(-0.5 * nodes**2)
    masses /= masses.sum()
    flat, deviations = means.ravel(), np.sqrt(variances).ravel()
    found = np.empty((2, len(flat)))
    size = max(1, _BLOCK // len(nodes))
    for start in range(0, len(flat), size):
        some = slice(start, start + size)
        centre = margin.inverse(flat[some])
        scores = flat[some, None] + deviations[some, None] * nodes
        values = margin.inverse(scores.ravel()).reshape(scores.shape) - centre[:, None]
        # Sums of rows, whose bits do not depend on how many there are: those of products would.
        shift = (values * masses).sum(axis=1)
        found[0, some] = np.clip(centre + shift, *margin.range)
        found[1, some] = (np.square(values - shift[:, None]) * masses).sum(axis=1)
    return Moments(found[0].reshape(means.shape), found[1].reshape(means.shape))


def unbounded(margin: Margin) -> Margin:
    """The same margin, of which draws do not stay within a range."""
    return replace(margin, low=-np.inf, high=np.inf)


def margin_arrays(margin: Margin) -> dict[str, np.ndarray]:
    """The margin of a column as arrays of an input distribution."""
    return {f"margin.{name}": array for name, array in margin.to_arrays().items()}


def margins_arrays(margins: Sequence[Margin]) -> dict[str, np.ndarray]:
    """Margins of several columns: arrays end to end, with their lengths."""
    every = [margin.to_arrays() for margin in margins]
    out = {}
    for name in every[0]:
        parts = [np.asarray(arrays[name], np.float64) for arrays in every]
        out[f"margin.{name}"] = np.concatenate([part.ravel() for part in parts])
        if parts[0].ndim:
            out[f"margin.{name}.lengths"] = np.array([len(part) for part in parts], np.float64)
    return out


def margin_names() -> tuple[str, ...]:
    """What an input distribution calls the arrays of a margin."""
    return tuple(f"margin.{field.name}" for field in fields(Margin))


def read_margin(arrays: Mapping[str, Any]) -> Margin:
    """The margin among the arrays of an input distribution."""
    _require(arrays)
    return Margin.from_arrays(
        {name.removeprefix("margin."): np.asarray(arrays[name]) for name in margin_names()}
    )


def read_margins(arrays: Mapping[str, Any], n_columns: int) -> tuple[Margin, ...]:
    """The margins of several columns among the arrays of an input distribution."""
    _require(arrays)
    own: list[dict[str, np.ndarray]] = [{} for _ in range(n_columns)]
    for name in margin_names():
        values = np.asarray(arrays[name])
        lengths = arrays.get(f"{name}.lengths")
        if lengths is None:
            if values.shape != (n_columns,):
                raise ValueError(f"{name} must have one entry for each of {n_columns} columns.")
            parts = list(values)
        else:
            counts = np.asarray(lengths)
            is_count = counts.shape == (n_columns,) and (counts >= 0).all()
            if not is_count or (counts % 1).any() or counts.sum() != len(values):
                raise ValueError(f"{name}.lengths must be those of {n_columns} columns.")
            parts = np.split(values, np.cumsum(counts.astype(np.int64))[:-1])
        for arrays_of_one, part in zip(own, parts, strict=True):
            arrays_of_one[name.removeprefix("margin.")] = np.asarray(part)
    return tuple(Margin.from_arrays(one) for one in own)


def _require(arrays: Mapping[str, Any]) -> None:
    for name in margin_names():
        if name not in arrays:
            raise ValueError(f"it has no {name}.")


def same_objects(some: Sequence[object], others: Sequence[object]) -> bool:
    """Whether these are the same objects, one by one."""
    return some is others or (
        len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))
    )
