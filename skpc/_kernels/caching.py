"""Numba's kernel cache, without its trust in what it finds.

What is damaged, or was compiled from other sources, is compiled anew and replaced; where
nothing can be kept a warning names the directory, and everything works.
"""

import hashlib
import pickle
import warnings
from functools import cache
from pathlib import Path

from numba.core.caching import FunctionCache, IndexDataCacheFile


@cache
def _sources():
    """Digest of all kernels: Numba looks at the caller's file only, not at what it calls."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _Files(IndexDataCacheFile):
    """An index and data files that say of which kernel, processor and sources they are.

    Two processes that save at once may leave an index that names data of another processor.
    """

    def save(self, key, data):
        content = self._dump(data)
        super().save(key, (self._seal(key, content), content))

    def load(self, key):
        try:
            seal, content = super().load(key)
            return pickle.loads(content) if seal == self._seal(key, content) else None
        except Exception:  # whatever damaged bytes lead to; TypeError if there are none
            return None

    def _seal(self, key, content):
        origin = repr((self._version, self._source_stamp, key)).encode()
        return hashlib.sha256(origin + content).digest()

    def _load_index(self):
        try:
            return super()._load_index()
        except Exception:
            return {}


class Cache(FunctionCache):
    """Compiled forms of one kernel on disk.

    Raises
    ------
    RuntimeError, OSError
        If there is no directory for them.
    """

    def __init__(self, function):
        super().__init__(function)
        self._cache_file = _Files(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=(self._impl.locator.get_source_stamp(), _sources()),
        )

    def save_overload(self, signature, compiled):
        try:
            super().save_overload(signature, compiled)
        except OSError as error:
            warn_of_no_cache(f"{self._cache_path} cannot be written ({error.strerror})")


@cache
def warn_of_no_cache(reason):
    """Warn once for each reason."""
    warnings.warn(
        f"Compiled kernels cannot be kept: {reason}, so every process compiles them anew, for "
        "ten seconds. Set the environment variable NUMBA_CACHE_DIR to a directory that can be "
        "written.",
        RuntimeWarning,
        stacklevel=2,
    )
