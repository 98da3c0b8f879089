"""Compiled kernels of a fresh directory: a cache that missed an edit would test old code."""

import os
import tempfile

import pytest

_directory = None
if "SKPC_TEST_NUMBA_CACHE" in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = os.environ["SKPC_TEST_NUMBA_CACHE"]
else:  # removed when the interpreter ends
    _directory = tempfile.TemporaryDirectory(prefix="numba-cache-", ignore_cleanup_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = _directory.name


@pytest.fixture
def one_thread():
    """Small kernels on two threads wait for the second core where others use it."""
    from skpc._threads import use_threads

    with use_threads(1):
        yield
