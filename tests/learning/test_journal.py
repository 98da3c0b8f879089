"""What a checkpoint holds, when it is written, and what is refused."""

import json
import os
import pickle

import numpy as np
import pytest

from skpc._circuit.circuit import random_circuit
from skpc._data.rows import Rows
from skpc._data.scope import CATEGORICAL, Scope
from skpc._learning import journal as journals
from skpc._learning.journal import Journal, check_form, digest


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.checkpoint"


@pytest.fixture
def always_due(monkeypatch):
    monkeypatch.setattr(journals, "_SECONDS", 0.0)
    monkeypatch.setattr(journals, "_SHARE", np.inf)


def a_circuit(seed=0, n_latents=2):
    X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    scopes = [Scope(np.array([j]), CATEGORICAL, np.arange(2.0)) for j in range(2)]
    rows = Rows.encode(X, scopes, np.ones(3))
    random_state = np.random.RandomState(seed)
    return random_circuit(np.array([-1, 0]), rows, n_latents, random_state)


def same(a, b):
    return digest(a) == digest(b)


def stop(journal):
    """What an error within a journal's context does."""
    with pytest.raises(MemoryError), journal:
        raise MemoryError


# --- what is kept ------------------------------------------------------------------------


def test_values_come_back_to_the_last_bit(path):
    value = {
        "numbers": [1, 0.1, -np.inf, None, True, "text", np.float64(1 / 3)],
        "pair": (np.arange(6, dtype=np.float32).reshape(2, 3), a_circuit()),
        "nothing": {},
    }
    journal = Journal(path)
    journal.finish("a", lambda: value)
    stop(journal)
    is_finished, found = Journal(path).find("a")
    assert is_finished
    assert same(found, value)
    assert isinstance(found["pair"], tuple)
    assert type(found["numbers"][0]) is int
    assert found["pair"][0].dtype == np.float32


def test_a_piece_is_computed_once(path):
    journal = Journal(path)
    assert journal.piece("a", lambda: 1) == 1
    assert journal.piece("a", lambda: 2) == 1
    stop(journal)
    assert Journal(path).piece("a", lambda: 3) == 1


def test_a_generator_goes_back_to_where_it_was(path):
    journal, random_state = Journal(path), np.random.RandomState(0)
    random_state.normal()  # half of a pair is left
    journal.resume_random("draws", random_state)
    drawn = random_state.normal(size=3)
    stop(journal)
    other = np.random.RandomState(7)
    Journal(path).resume_random("draws", other)
    assert (other.normal(size=3) == drawn).all()


def test_without_a_path_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Journal() as journal:
        journal.finish("a", pytest.fail)
        journal.note("b", pytest.fail)
        assert journal.piece("c", lambda: 1) == 1
    assert journal.find("a") == (False, None)
    assert os.listdir(tmp_path) == []


def test_what_is_not_plain_is_refused(path):
    with pytest.raises(TypeError, match="a object cannot be kept"):
        Journal(path).finish("a", lambda: [object()])


# --- when it is written ------------------------------------------------------------------


def test_a_file_is_removed_after_success_and_stays_where_it_is_to(path):
    for is_kept in False, True:
        with Journal(path) as journal:
            journal.finish("a", lambda: 1)
            assert path.exists()
            journal.is_kept = is_kept
        assert path.exists() == is_kept


def test_a_state_is_what_it_was_when_it_was_noted(path, always_due):
    journal, counts = Journal(path), np.zeros(3)
    journal.note("a", lambda: counts)
    counts += 1.0  # as work goes on
    journal.finish("b", lambda: 1)
    is_finished, state = Journal(path).find("a")
    assert not is_finished
    assert (state == 0.0).all()


def test_states_are_not_even_asked_for_until_it_is_time(path):
    journal = Journal(path)
    journal.finish("a", lambda: 1)
    journal.note("b", pytest.fail)


def test_writing_that_fails_leaves_the_last_file(path, always_due, monkeypatch):
    journal = Journal(path)
    journal.finish("a", lambda: 1)

    def fail(file, **arrays):
        file.write(b"half of")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="no space"):
        journal.finish("b", lambda: 2)
    monkeypatch.undo()
    found = Journal(path)
    assert found.find("a") == (True, 1)
    assert found.find("b") == (False, None)


# --- what is refused ---------------------------------------------------------------------


def test_another_fit_is_refused_by_what_differs(path):
    journal = Journal(path)
    journal.check("n_latents", "4")
    journal.finish("a", lambda: 1)
    again = Journal(path)
    again.check("n_latents", "4")
    with pytest.raises(ValueError, match=r"fit\.checkpoint.*another fit, whose n_latents is 4, and "
                       "not 8.*delete"):  # fmt: skip
        again.check("n_latents", "8")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut off", pickle.dumps([1])])
def test_a_damaged_file_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"fit\.checkpoint' cannot be read: .*Delete the file"
    ) as found:
        Journal(path)
    assert "pickle" not in str(found.value)


def test_a_file_of_a_later_version_is_refused(path):
    header = json.dumps({"format": "skpc-checkpoint", "version": 2, "facts": {}, "records": []})
    with open(path, "wb") as file:
        np.savez(file, header=np.frombuffer(header.encode(), np.uint8))
    with pytest.raises(ValueError, match="its format has version 2, not 1"):
        Journal(path)


class Trap:
    """An object whose unpickling would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_no_code_of_a_file_is_run(path, tmp_path):
    trap = tmp_path / "sprung"
    records = [["a", True, {"array": 0}, 1]]
    header = {"format": "skpc-checkpoint", "version": 1, "facts": {}, "records": records}
    array = np.empty(1, object)
    array[0] = Trap(str(trap))
    with open(path, "wb") as file:
        np.savez(file, **{"header": np.frombuffer(json.dumps(header).encode(), np.uint8)},
                 **{"0": array})  # fmt: skip
    with pytest.raises(ValueError, match="cannot be read"):
        Journal(path)
    assert not trap.exists()


def test_a_circuit_in_a_file_is_checked(path):
    journal = Journal(path)
    journal.finish("a", a_circuit)
    stop(journal)
    with np.load(path) as archive:
        arrays = dict(archive)
    name = next(n for n, array in arrays.items() if array.shape == (2, 2, 2))
    arrays[name] = 2 * arrays[name]
    with open(path, "wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(ValueError, match=r"cannot be read: sum_weights must"):
        Journal(path)


@pytest.mark.parametrize(
    ("found", "like", "fits"),
    [
        (np.ones(3), np.zeros(3), True),
        (np.ones(3), np.ones(4), False),
        (np.ones(3, np.float32), np.ones(3), False),
        (np.array([1, 2]), np.array([1, 3]), False),
        ({"a": [np.ones(2)]}, {"a": [np.zeros(2)]}, True),
        ({"a": [np.ones(2)]}, {"a": [np.ones(2), np.ones(2)]}, False),
        ({"a": 1}, {"a": "1"}, False),
        (a_circuit(0), a_circuit(1), True),
        (a_circuit(n_latents=2), a_circuit(n_latents=3), False),
    ],
)
def test_only_what_has_the_form_of_this_fit_is_gone_on_with(found, like, fits):
    if fits:
        check_form(found, like)
    else:
        with pytest.raises(ValueError, match="damaged"):
            check_form(found, like)


def test_a_fingerprint_sees_every_value():
    seen = {
        digest(value)
        for value in (
            np.arange(3), np.arange(3.0), np.arange(3)[None], [0, 1, 2], (0, 1), [[0], 1],
            "text", None, a_circuit(0), a_circuit(1), {"a": 1}, {"a": 2},
        )
    }  # fmt: skip
    assert len(seen) == 12
    assert digest(np.arange(6)[::2]) == digest(np.array([0, 2, 4]))
