"""Single regions of a circuit: what they may have, and their vectors as distributions see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skpc._checks import checked_array
from skpc._circuit.inputs.base import InputDistribution
from skpc._data.evidence import Evidence
from skpc._data.scope import BINOMIAL, CATEGORICAL

_LEAST_LOG_PROB = -3e18  # its exponent is an integer


def scaled(log_prob: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (n, K), the largest of each row in [1, 2), times two to exponents (n,)."""
    log_prob = np.maximum(log_prob, _LEAST_LOG_PROB)
    exponents = np.floor(log_prob.max(axis=1) / np.log(2.0))
    log_prob -= exponents[:, None] * np.log(2.0)
    return np.exp(log_prob, out=log_prob), exponents.astype(np.int64)


def to_scale(numbers: np.ndarray, exponents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same numbers (n, K) times two to exponents (n,), the largest of each row in [0.5, 1).

    The numbers are overwritten. Products with powers of two are exact, and several times as fast
    as `numpy.ldexp` of each; rows of subnormal numbers alone stay small, as two to more than 1,023
    is no number.
    """
    shifts = np.maximum(np.frexp(numbers.max(axis=1))[1], -1023)
    numbers *= np.ldexp(1.0, -shifts)[:, None]
    return numbers, exponents + shifts


def prepared_vectors(evidence: Evidence, region: int, distribution: InputDistribution) -> Any:
    """The vectors of a region's symbols, prepared for its distribution, once if it is much.

    Regions of several trees that share vectors share what is made of them too.
    """
    fixed, vectors = distribution.preparation, evidence.values[region]
    assert vectors is not None
    if not fixed:
        return vectors
    key = (distribution.kind, id(vectors), *map(id, fixed))
    known = evidence.memo.get(key)
    if known is None:
        known = fixed, distribution.prepared(vectors)  # what has these numbers must live on
        evidence.memo[key] = known
    return known[1]


def without_each(
    distribution: InputDistribution, vectors: np.ndarray, least: int
) -> tuple[np.ndarray, np.ndarray]:
    """What vectors (n, m) are worth without each one of their columns.

    Returns
    -------
    likelihoods : (n * m, K)
    exponents : (n * m,)
        Of two, by which they are to be multiplied; `least` at least for each column.
    """
    log_prob = distribution.log_prob_of_others(vectors)
    table, exponents = scaled(log_prob.reshape(vectors.size, -1))
    is_seen = ~np.isnan(vectors)
    n_seen = is_seen.sum(axis=1, keepdims=True) - is_seen
    n_seen = np.maximum(n_seen, 1)  # of nothing seen one is rounded, perhaps to below one
    return table, np.maximum(exponents, least * n_seen.ravel())


def check_regions(
    features: Sequence[np.ndarray],
    categories: Sequence[np.ndarray | None],
    distributions: Any,
    n_latents: int,
) -> None:
    """Raise ValueError if what a region has is not what goes with its columns."""
    without = {region for region, known in enumerate(categories) if known is None}
    is_dict = isinstance(distributions, dict)
    for region, (columns, known) in enumerate(zip(features, categories, strict=True)):
        if columns.min(initial=0) < 0:
            raise ValueError(f"features of region {region} must not be negative.")
        if known is None:
            one = distributions.get(region) if is_dict else None
            if not isinstance(one, InputDistribution) or one.is_table or not len(columns):
                raise ValueError(
                    f"region {region} has no categories: it needs columns and a distribution that "
                    f"is no table; got {len(columns)} columns and a {type(one).__name__}."
                )
            one.check_arrays(n_latents, len(columns))
        elif len(columns) > 1 or (len(known) > 0) != (len(columns) == 1):
            raise ValueError(
                f"region {region} has {len(columns)} columns and {len(known)} categories: one "
                "column needs at least one category, no column has none."
            )
    if not is_dict or {*distributions} != without:
        raise ValueError(
            f"distributions must be a dict of those of the regions without a table, {without}."
        )


def checked_columns(
    features: Sequence[Any], categories: Sequence[Any]
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray | None, ...]]:
    """The columns and the categories of all regions, as arrays of the dtypes that kernels need."""
    if len(features) != len(categories):
        raise ValueError(
            f"features must have one entry for each of the {len(categories)} regions of "
            f"categories; got {len(features)}."
        )
    own = (
        checked_array(columns, f"features of region {region}", int, (None,))
        for region, columns in enumerate(features)
    )
    known = (
        None
        if values is None
        else checked_array(values, f"categories of region {region}", float, (None,))
        for region, values in enumerate(categories)
    )
    return tuple(own), tuple(known)


def kinds_of(
    n_categories: np.ndarray,
    is_binomial: np.ndarray,
    distributions: Mapping[int, InputDistribution],
) -> tuple[str | None, ...]:
    """The kind of each region's distribution, None where nothing is observed."""
    if (is_binomial & (n_categories == 0)).any():
        raise ValueError("is_binomial must be False in regions without categories.")
    kinds = np.where(is_binomial, BINOMIAL, CATEGORICAL).astype(object)
    kinds[n_categories == 0] = None
    for region, distribution in distributions.items():
        kinds[region] = distribution.kind
    return tuple(kinds)
