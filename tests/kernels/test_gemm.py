"""Matrix products of the kernels against NumPy, and the bits of a row."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from skpc._kernels.gemm import TILE_ROWS, add_transposed_product, multiply, padded

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def spare_rows(n_rows):
    return -(-n_rows // TILE_ROWS) * TILE_ROWS


def random_factor(rng, n_rows, n_used_rows, n_columns, n_used_columns, dtype):
    """Positive numbers, NaN wherever the product must not look."""
    a = np.full((n_rows, n_columns), np.nan, dtype)
    a[:n_used_rows, :n_used_columns] = rng.random((n_used_rows, n_used_columns))
    return a


@each_dtype
@pytest.mark.parametrize("n_rows", [1, 5, 16, 61])
def test_multiply(n_rows, dtype):
    rng = np.random.default_rng(0)
    for depth in range(1, 131):
        n_columns = padded(depth, dtype)
        a = random_factor(rng, spare_rows(n_rows), n_rows, n_columns, depth, dtype)
        b = rng.random((depth, n_columns)).astype(dtype)
        out = np.full_like(a, 7.0)
        multiply(a, b, out, n_rows)
        expected = a[:n_rows, :depth].astype(np.float64) @ b.astype(np.float64)
        # Each of the `depth` additions of positive terms rounds once.
        rtol = depth * np.finfo(dtype).eps
        np.testing.assert_allclose(out[:n_rows], expected, rtol=rtol, err_msg=f"{depth=}")


@each_dtype
@pytest.mark.parametrize("n_rows", [1, 5, 16, 61])
def test_add_transposed_product(n_rows, dtype):
    rng = np.random.default_rng(0)
    for n_latents in range(1, 131):
        n_columns = padded(n_latents, dtype)
        a = random_factor(rng, n_rows + 3, n_rows, n_columns, n_columns, dtype)
        b = random_factor(rng, n_rows + 3, n_rows, n_columns, n_columns, dtype)
        before = rng.random((n_columns, n_columns)).astype(dtype)
        out = before.copy()
        add_transposed_product(a, b, out, n_rows)
        expected = before + a[:n_rows].T.astype(np.float64) @ b[:n_rows].astype(np.float64)
        rtol = (n_rows + 1) * np.finfo(dtype).eps
        np.testing.assert_allclose(out, expected, rtol=rtol, err_msg=f"{n_latents=}")


@each_dtype
@pytest.mark.parametrize("depth", [1, 7, 32, 100])
def test_the_bits_of_a_row_do_not_depend_on_other_rows(depth, dtype):
    rng = np.random.default_rng(0)
    n_rows, n_columns = 37, padded(depth, dtype)
    a = random_factor(rng, spare_rows(n_rows), n_rows, n_columns, depth, dtype)
    b = rng.random((depth, n_columns)).astype(dtype)
    together, permuted = np.empty_like(a), np.empty_like(a)
    multiply(a, b, together, n_rows)
    order = np.append(rng.permutation(n_rows), np.arange(n_rows, len(a)))
    multiply(np.ascontiguousarray(a[order]), b, permuted, n_rows)
    np.testing.assert_array_equal(permuted[:n_rows], together[order[:n_rows]])
    for i in range(n_rows):
        single = np.full((TILE_ROWS, n_columns), np.nan, dtype)
        single[0] = a[i]
        alone = np.empty_like(single)
        multiply(single, b, alone, 1)
        np.testing.assert_array_equal(alone[0], together[i])


@each_dtype
def test_padding_is_the_least_that_holds_whole_vectors_and_tiles(dtype):
    unit = padded(1, dtype)
    assert unit % TILE_ROWS == 0
    assert [padded(n, dtype) for n in (unit, unit + 1, 2 * unit)] == [unit, 2 * unit, 2 * unit]


# Another processor than this one, by each of Numba's settings; "" is this one.
SETTINGS = ["", "NUMBA_CPU_FEATURES=-avx512f", "NUMBA_CPU_NAME=generic"]
if platform.machine() in ("x86_64", "AMD64"):
    SETTINGS += [
        "NUMBA_CPU_NAME=haswell",  # with all that this processor can do besides
        "NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=+avx2",
    ]


@pytest.mark.slow
@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="compiles")
def test_tiles_are_as_wide_as_the_registers_that_numba_compiles_for(tmp_path):
    """And no process loads what another has compiled for other registers."""
    program = """
import numpy as np
from numba import njit
from skpc._kernels.gemm import TILE_ROWS, VECTOR_BYTES, multiply, padded
a = np.random.default_rng(0).random((TILE_ROWS, padded(5, np.float64)))
b, out = np.ones((5, a.shape[1])), np.zeros_like(a)
multiply(a, b, out, TILE_ROWS)
np.testing.assert_allclose(out, a[:, :5].sum(axis=1, keepdims=True) + 0.0 * out, rtol=1e-14)
anew = njit(multiply.py_func)
anew(a, b, out, TILE_ROWS)
(assembly,) = anew.inspect_asm().values()
widest = 64 if "zmm" in assembly else 32 if "ymm" in assembly else 16
print(VECTOR_BYTES, widest, sum(multiply.stats.cache_hits.values()))
"""

    def run(setting):
        names = "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX"
        environment = {name: value for name, value in os.environ.items() if name not in names}
        environment["NUMBA_CACHE_DIR"] = str(tmp_path)
        environment |= dict(part.split("=") for part in setting.split())
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return [int(word) for word in done.stdout.split()]

    for setting in SETTINGS:
        vector_bytes, widest, n_loaded = run(setting)
        assert vector_bytes == widest, setting
        assert n_loaded == 0, setting
    assert run("")[2] == 1
