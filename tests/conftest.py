"""Compiled kernels of a fresh directory: a cache that missed an edit would test old code."""

import os
import tempfile

import pytest

collect_ignore_glob = ["*conftest.py"]  # of one name, that would be looked at for doctests

if "SKPC_TEST_NUMBA_CACHE" not in os.environ:  # removed when the interpreter ends
    _directory = tempfile.TemporaryDirectory(prefix="numba-cache-", ignore_cleanup_errors=True)
    os.environ["SKPC_TEST_NUMBA_CACHE"] = _directory.name  # worker processes share it
os.environ["NUMBA_CACHE_DIR"] = os.environ["SKPC_TEST_NUMBA_CACHE"]


@pytest.fixture
def one_thread():
    """Small kernels on two threads wait for the second core where others use it."""
    from skpc._threads import use_threads

    with use_threads(1):
        yield
