"""Which line of a file a row is in, and which lines are no rows."""

import gzip

import numpy as np
import pandas
import pytest
from command_line import run

from skpc._cli.csv_files import CsvFile
from skpc._cli.csv_form import CsvForm
from skpc._cli.csv_records import lines_of_rows

NAMES = "name;a;b"


def decimals(n):
    return f"{n / 7:.2f}".replace(".", ",")


def text_with_all_sorts_of_lines(end="\n", names=(9, 20)):
    """A table whose column `a` is the number of the line, its names again among the rows."""
    lines = ["Takings;;", "", NAMES]
    while len(lines) < 40:
        n = len(lines) + 1
        if n in names:
            lines.append(NAMES)
        elif n % 7 == 0:
            lines.append("  ")
        elif n % 5 == 0:
            lines += [f'"two{n}', f'lines";{n};{decimals(n)}']
        else:
            lines.append(f"x{n};{n};{decimals(n)}")
    return end.join(lines) + end


def write(path, content):
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_rows_are_told_by_their_line_and_repeated_names_are_left_out(name, end, encoding, tmp_path):
    content = text_with_all_sorts_of_lines(end).encode(encoding)
    file = CsvFile(str(write(tmp_path / name, content)), CsvForm(encoding=encoding))
    frame = file.whole()
    assert [str(dtype) for dtype in frame.dtypes] == ["string", "Int64", "Float64"]
    assert [record.line for record in file.repeated] == [9, 20]
    assert lines_of_rows(file, len(frame)).tolist() == frame["a"].tolist()
    parts = list(file.chunks(lambda _: 4, list))
    assert pandas.concat(parts, ignore_index=True).equals(frame)


def test_rows_of_parquet_are_counted_below_a_line_of_names(tmp_path):
    pandas.DataFrame({"a": [5, 6, 7]}).to_parquet(tmp_path / "t.parquet")
    assert lines_of_rows(tmp_path / "t.parquet", 3).tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("text", "n_rows"),
    [
        ("a,b\nx,y\na,b\nx,z\n", 3),  # all are labels: there may be no names at all
        ("x,1\ny,2\nx,1\n", 2),  # a number is no name
        ("a,b\n1,2\na,c\n3,4\n", 3),
        ("a,b\n1,2\n#a,b\n3,4\n", 3),
    ],
)
def test_rows_that_may_be_such_are_kept(text, n_rows, tmp_path):
    file = CsvFile(str(write(tmp_path / "t.csv", text.encode())))
    assert file.repeated == []
    assert len(file.whole()) == n_rows


def test_what_is_left_out_is_told_of_tables_that_are_learnt_and_others(tmp_path, capsys):
    path = write(tmp_path / "t.csv", text_with_all_sorts_of_lines().encode())
    model = tmp_path / "m.joblib"
    options = "--id", "name", "--n-latents", 1
    assert run("fit", path, "-o", model, *options) == 0
    assert "note: lines 9, 20 repeat the names, and are left out" in capsys.readouterr().err
    assert run("score", model, path, "-o", tmp_path / "s.csv") == 0
    assert "note: lines 9, 20 repeat the names, and are left out" in capsys.readouterr().err
    write(path, text_with_all_sorts_of_lines(names=(9,)).encode())
    assert run("describe", path) == 0
    assert "note: line 9 repeats the names, and is left out" in capsys.readouterr().err


def test_rows_are_filled_in_step_with_the_lines_that_they_are_in(tmp_path):
    content = text_with_all_sorts_of_lines().replace("x34;34;4,86", "x34;34;").encode()
    path, output = write(tmp_path / "t.csv", content), tmp_path / "filled.csv"
    assert run("impute", path, "--id", "name", "-o", output, "--quiet") == 0
    kept = [line for line in content.decode().split("\n")[3:] if line.strip() and line != NAMES]
    filled = output.read_text().split("\n")[3:-1]
    assert len(filled) == len(kept)
    changed = [pair for pair in zip(kept, filled, strict=True) if pair[0] != pair[1]]
    assert [old for old, _ in changed] == ["x34;34;"]
    assert changed[0][1].startswith("x34;34;")


def test_odd_rows_are_called_by_their_line(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f},{x + 0.1 * e:.3f}" for x, e in rng.normal(size=(80, 2))]
    rows[50] = "0.5,-60"
    rows[20:20] = ["", "a,b", ""]
    path = write(tmp_path / "t.csv", "\n".join(["Title", "", "a,b", *rows]).encode())
    assert run("outliers", path, "--top", 1, "--quiet") == 0
    assert capsys.readouterr().out.startswith("row 57 (")  # the 54th below line 3
    assert path.read_text().split("\n")[56] == "0.5,-60"


@pytest.mark.parametrize("command", ["describe", "impute"])
def test_a_file_without_names_is_read_from_its_first_line(command, tmp_path, capsys):
    text = "".join(f"{'ab'[i % 2]},{i / 7 if i % 9 else 0:.3f},{i * i}\n" for i in range(40))
    path = write(tmp_path / "t.csv", text.encode())
    assert run(command, path, "--no-names") == 0
    printed = capsys.readouterr()
    assert "warning" not in printed.err
    if command == "impute":
        assert printed.out == text
    else:
        assert "40 rows, 3 columns" in printed.out
        assert "column_3  integers  numeric" in printed.out


@pytest.mark.parametrize(
    ("names", "is_doubtful"),
    [
        ("a,0.5,1.25", True),
        ("a,1.5,name", False),
        ("a,2020,2021", False),
        ("a,1,2", False),
        ("a,x,1.25", False),
        ("a,x,y", False),
        ("7,3,9", True),
    ],
)
def test_a_first_line_that_may_be_a_row_is_told(names, is_doubtful, tmp_path, capsys):
    rows = "".join(f"{'ab'[i % 2]},{i / 7:.3f},{i / 9:.4f}\n" for i in range(20))
    path = write(tmp_path / "t.csv", f"{names}\n{rows}".encode())
    assert run("describe", path) == 0
    assert ("if it is a row: --no-names" in capsys.readouterr().err) == is_doubtful
