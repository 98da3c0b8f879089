"""Objects in memory and in a file."""

import numpy as np
import pytest

from skpc._data.shelf import Shelf


@pytest.mark.parametrize("room", [0, 250, 10_000])
def test_what_was_put_in_comes_out_again_and_again(room):
    shelf = Shelf(room)
    things = [{"a": np.arange(n), "n": n} for n in range(10)]
    for thing in things:
        shelf.append(thing, 100)
    for _ in range(2):
        found = list(shelf)
        assert [thing["n"] for thing in found] == list(range(10))
        for thing, out in zip(things, found, strict=True):
            np.testing.assert_array_equal(thing["a"], out["a"])
    assert len(shelf) == 10
    assert [thing["n"] for thing in shelf.part([7, 2])] == [7, 2]
    in_memory = [shelf[i] is things[i] for i in range(10)]
    assert in_memory == [i < room // 100 for i in range(10)]


def test_order_is_kept_when_a_small_thing_would_still_fit():
    shelf = Shelf(100)
    for n_bytes in (60, 60, 10):
        shelf.append(n_bytes, n_bytes)
    assert list(shelf) == [60, 60, 10]


def test_no_room_for_the_file(monkeypatch):
    class Full:
        def seek(self, *_):
            return 0

        def write(self, *_):
            raise OSError(28, "No space left on device")

        close = flush = write

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    shelf = Shelf(0)
    with pytest.raises(OSError, match=r"temporary file in .*: No space left on device. Set TMPDIR"):
        shelf.append("a", 1)
