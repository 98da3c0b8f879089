"""CSV files: chunks have the dtypes and values that the whole file has."""

import re

import pandas
import pytest
from command_line import error_of, table
from hypothesis import given, settings
from hypothesis import strategies as st

from skpc._cli.csv_files import CsvFile
from skpc._cli.messages import UsageError

CELLS = ["", "1", "-2", "2.5", "True", "false", "x", "01", "NA", "9007199254740993", " 3", "1e400"]


def in_chunks(path, n_rows):
    """The frame of all chunks of a file, each read with the dtypes of the whole."""
    file = CsvFile(str(path))
    kinds, total = file.kinds(lambda _: n_rows)
    dtypes = {name: kinds.dtype(name) for name in kinds.names}
    chunks = list(file.chunks(lambda _: n_rows, list, dtypes))
    assert sum(map(len, chunks)) == total
    assert max(map(len, chunks)) <= n_rows
    for chunk in chunks:
        assert chunk.dtypes.equals(chunks[0].dtypes)
    return pandas.concat(chunks)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(CELLS), min_size=1, max_size=3), min_size=2, max_size=6),
    st.integers(1, 5),
)
def test_columns_that_look_different_in_chunks_are_read_as_those_of_the_whole(
    tmp_path_factory, parts, n_rows
):
    """Parts of a column repeat the cells of one chunk, so that chunks often are of one kind."""
    path = tmp_path_factory.getbasetemp() / "mixed.csv"
    cells = [cell for part in parts for cell in part * 3]
    path.write_text("a,b\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
    pandas.testing.assert_frame_equal(in_chunks(path, n_rows), CsvFile(str(path)).whole())


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zip"])
def test_compressed_files_are_read_in_chunks(suffix, tmp_path):
    path = tmp_path / f"data.csv{suffix}"
    table().to_csv(path, index=False)
    whole = CsvFile(str(path)).whole()
    assert whole.dtypes.astype(str).tolist() == ["string", "Int64", "Float64", "boolean"]
    pandas.testing.assert_frame_equal(in_chunks(path, 7), whole)


def test_names_that_occur_twice_are_told_apart(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,a\n1,2\n3,x\n")
    chunks = in_chunks(path, 1)
    pandas.testing.assert_frame_equal(chunks, CsvFile(str(path)).whole())
    assert list(chunks) == ["a", "a.1"]


def test_integers_beyond_those_with_a_sign(tmp_path):
    path, large = tmp_path / "data.csv", 2**64 - 1
    path.write_text(f"a,b\n1,2\n{large},3\n")
    pandas.testing.assert_frame_equal(in_chunks(path, 1), CsvFile(str(path)).whole())
    for other in "", "-1", "2.5":
        path.write_text(f"a,b\n{other},2\n{large},3\n")
        with pytest.raises(UsageError, match=r"column 'a' has integers beyond 2\^63"):
            in_chunks(path, 1)


def test_booleans_beside_numbers_are_refused_where_types_are_known_already(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,True\n1,False\n2,1\n")
    chunks = CsvFile(str(path)).chunks(lambda _: 2, list)
    assert next(chunks)["b"].tolist() == [True, False]
    with pytest.raises(UsageError, match=r"in others\. Write 0 and 1"):
        next(chunks)
    assert len(list(CsvFile(str(path)).chunks(lambda _: 2, lambda _: ["a"]))) == 2


def test_chunks_are_of_the_size_that_the_number_of_columns_asks_for(tmp_path):
    path = tmp_path / "data.csv"
    table(3000).to_csv(path, index=False)
    sizes = [len(chunk) for chunk in CsvFile(str(path)).chunks(lambda n: 4800 // n, list)]
    assert sizes == [1000, 1200, 800]  # the first says how many columns there are


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n1,2\n1,2,3\n", "no CSV file.* line 4"),
        ("a,b\n1,2,3\n1,2,3\n", "more cells in its rows than names"),
        ("a,b\n", "has no rows"),
        ("", "no CSV file"),
        ('a,b\n1,2\n1,"2\n', "no CSV file"),
        (None, "cannot read .*No such file"),
    ],
)
def test_damage_is_found_in_chunks_too(content, message, model, tmp_path, capsys):
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_text(content)
    output = "-o", tmp_path / "out"
    assert re.search(message, error_of(capsys, "fit", path, "--chunk-rows", 1, *output))
    assert not (tmp_path / "out").exists()
