"""Numba kernels: arrays in, arrays out; no classes, no validation, no I/O."""

import warnings
from functools import cache

import numba


def njit(**options):
    """Decorate as `numba.njit` does, without its cache where no directory can be written.

    Numba refuses even to define a cached function there: in a read-only installation of a
    user without a home directory nothing could be imported.
    """

    def decorate(function):
        try:
            return numba.njit(**options)(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            _warn_of_no_cache()
            return numba.njit(**{**options, "cache": False})(function)

    return decorate


@cache
def _warn_of_no_cache():
    warnings.warn(
        "Compiled kernels cannot be kept: neither the package's directory nor the user's cache "
        "directory can be written, so every process compiles them anew, for ten seconds. Set "
        "the environment variable NUMBA_CACHE_DIR to a directory that can be written.",
        RuntimeWarning,
        stacklevel=2,
    )
