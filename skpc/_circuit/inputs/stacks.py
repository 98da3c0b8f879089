"""Free parameters of many distributions, those of one kind taken together where they can be."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from skpc._circuit.inputs.base import InputDistribution

Distributions = dict[int, InputDistribution]


def _stacks(distributions: Distributions) -> list[tuple[list[int], InputDistribution]]:
    """The regions of each stack, and the stack."""
    regions: dict[Hashable, list[int]] = {}
    for region, one in distributions.items():
        is_alone = one.stack_key is None
        key = region if is_alone else (one.kind, one.stack_key)
        regions.setdefault(key, []).append(region)
    return [
        (part, distributions[part[0]].stacked([distributions[region] for region in part]))
        for part in regions.values()
    ]


def free_parameters(distributions: Distributions) -> list[np.ndarray]:
    """The free parameters of all, stack by stack."""
    return [part for _, stack in _stacks(distributions) for part in stack.free_parameters()]


def with_free_parameters(
    distributions: Distributions, parameters: list[np.ndarray]
) -> Distributions:
    """The distributions with other free parameters."""
    moved = dict(distributions)
    for regions, stack in _stacks(distributions):
        own, parameters = parameters[: stack.n_free_arrays], parameters[stack.n_free_arrays :]
        former = [distributions[region] for region in regions]
        changed = stack.with_free_parameters(own).unstacked(former)
        moved.update(zip(regions, changed, strict=True))
    return moved


def free_gradient(
    distributions: Distributions, summaries: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The gradient in the free parameters, from what each distribution has summarized."""
    of_region = dict(zip(distributions, summaries, strict=True))
    return [
        part
        for regions, stack in _stacks(distributions)
        for part in stack.free_gradient(np.concatenate([of_region[r] for r in regions]))
    ]
