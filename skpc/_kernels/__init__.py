"""Numba kernels: arrays in, arrays out; no classes, no validation, no I/O."""

from functools import wraps

import numba
import numpy as np

from skpc._kernels.caching import Cache, warn_of_no_cache


def njit(*, cache=False, **options):
    """Decorate as `numba.njit` does, with a cache that no damaged file nor directory upsets.

    All kernels have the same error model, so that they share what Numba compiles for a call of
    NumPy's, and none has a wrapper for callers in C: the first fit waits for all of that.
    Helpers of one or two kernels say ``inline="always"``, and are compiled with them, once.
    Those whose sums may be taken in another order (`fastmath`) must say ``forceinline=True``: of a
    helper that is compiled for itself and with its caller, the process that compiles both uses
    the one, processes that load the caller alone the other, and their bits differ.

    Numba refuses even to define a cached function where no directory can be written: in a
    read-only installation of a user without a home directory nothing could be imported.
    """
    options = {"error_model": "numpy", "no_cfunc_wrapper": True, **options}

    def decorate(function):
        if numba.config.DISABLE_JIT:
            return _plain(function)
        kernel = numba.njit(**options)(function)
        if cache:
            try:
                kernel._cache = Cache(function)
            except (OSError, RuntimeError):
                warn_of_no_cache(
                    "neither the package's directory nor the user's cache directory can be written"
                )
        return kernel

    return decorate


def _plain(function):
    """A kernel as a Python function: it does not warn of what compiled arithmetic is silent of."""

    @wraps(function)
    def kernel(*arguments):
        with np.errstate(all="ignore"):
            return function(*arguments)

    return kernel
