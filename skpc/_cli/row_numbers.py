"""Whether integers are the numbers of rows in some order, told part by part."""

from __future__ import annotations

import numpy as np

_BLOCK = 2**20
_STEP, _FIRST, _SECOND = (
    np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB),
)  # fmt: skip


def fingerprint(integers: np.ndarray) -> int:
    """A number that tells sets of integers (n,) apart, whatever their order; those of parts add.

    The sum of SplitMix64, modulo 2^64: two sets that differ have the same with a probability
    below 1e-19.
    """
    bits = integers.astype(np.int64).astype(np.uint64) + _STEP
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return int((bits ^ (bits >> np.uint64(31))).sum(dtype=np.uint64))


def fingerprint_of_range(first: int, n: int) -> int:
    """That of n consecutive integers."""
    parts = (
        fingerprint(np.arange(start, min(start + _BLOCK, first + n)))
        for start in range(first, first + n, _BLOCK)
    )
    return sum(parts) % 2**64
