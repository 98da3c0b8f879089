"""Model files: which command takes what, told in words of the command line."""

import joblib
import pytest
from command_line import error_of, table
from sklearn.preprocessing import StandardScaler

from skpc import SharpPCClassifier, SharpPCDensity, SharpPCImputer, SharpPCOutlierDetector


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A model of each kind in a file, by what it is."""
    folder, X, y = tmp_path_factory.mktemp("kept"), table()[["x"]], table()["flag"].isna()
    density = SharpPCDensity(1, max_iter=1)
    models = {
        "density": density.fit(X),
        "outlier detector": SharpPCOutlierDetector(density, random_state=0).fit(X),
        "imputer": SharpPCImputer(density).fit(X),
        "classifier": SharpPCClassifier(density).fit(X, y),
    }
    for kind, model in models.items():
        joblib.dump(model, folder / kind)
    return {kind: folder / kind for kind in models}


REFUSED = {
    "score": ("imputer", "classifier"),
    "sample": ("imputer", "classifier"),
    "plot": ("imputer", "classifier"),
    "impute": ("outlier detector", "classifier"),
    "outliers": ("density", "imputer", "classifier"),
    "classify": ("density", "outlier detector", "imputer"),
}
FOR = {
    "density": "skpc score {0} TABLE",
    "outlier detector": "skpc outliers TABLE --model {0}",
    "imputer": "skpc impute TABLE --model {0}",
    "classifier": "skpc classify TABLE --model {0}",
}


def arguments_of(command, model, data, folder):
    if command in ("score", "sample"):
        return (command, model, data) if command == "score" else (command, model)
    output = ("-o", folder / "picture.png") if command == "plot" else ()
    return command, data, "--model", model, *output


@pytest.mark.parametrize("command", REFUSED)
def test_models_of_another_kind_are_called_what_they_are(command, kept, data, tmp_path, capsys):
    for kind in REFUSED[command]:
        error = error_of(capsys, *arguments_of(command, kept[kind], data, tmp_path))
        article = "an" if kind[0] in "aeiou" else "a"
        assert f"{kept[kind]} holds {article} {kind}; {command} takes " in error
        assert FOR[kind].format(kept[kind]) in error
        assert "SharpPC" not in error


@pytest.mark.parametrize("command", REFUSED)
@pytest.mark.parametrize("name", ["data.csv", "data.parquet", "folder"])
def test_a_table_in_the_place_of_a_model_is_told_as_such(command, name, data, tmp_path, capsys):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif name == "data.csv":
        table().to_csv(path, index=False)
    else:
        table().to_parquet(path)
    error = error_of(capsys, *arguments_of(command, path, data, tmp_path))
    if name == "folder":
        assert "Is a directory" in error
    else:
        assert f"{path} is a table, and no model that can be read: " in error
        assert ("the model comes first" in error) == (command == "score")


@pytest.mark.parametrize("command", ["describe", "outliers", "impute", "classify"])
def test_a_model_in_the_place_of_a_table_is_told_as_such(command, kept, tmp_path, capsys):
    named = tmp_path / "model.joblib"
    joblib.dump(1, named, compress=3)
    options = ["--target", "x"] if command == "classify" else []
    for path in kept["density"], named:
        assert f"{path} is a model" in error_of(capsys, command, path, *options)


def test_swapped_arguments_are_told_as_such(kept, data, capsys):
    error = error_of(capsys, "score", data, kept["density"])
    assert f"the model comes first, as in skpc score model.joblib {data}" in error
    workbook = data.with_name("book.xlsx")
    workbook.write_bytes(b"PK\x03\x04 and what follows")
    assert "is a workbook: save the sheet as CSV" in error_of(capsys, "describe", workbook)


def test_damaged_models(model, data, tmp_path, capsys):
    damaged = tmp_path / "damaged.joblib"
    good = joblib.load(model)
    good.mu_ = -1.0
    joblib.dump(good, damaged)
    assert "The file is damaged" in error_of(capsys, "score", damaged, data)
    content = model.read_bytes()
    for n_bytes in 1, 100, len(content) // 2, len(content) - 1:
        damaged.write_bytes(content[:n_bytes])
        assert "no model that can be read" in error_of(capsys, "sample", damaged)
    assert "Is a directory" in error_of(capsys, "sample", tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"colour,x\nred,1\n", b"\x80\x04\x95junk"])
def test_files_that_are_no_models(content, data, tmp_path, capsys):
    path = tmp_path / "bad.joblib"
    if content is not None:
        path.write_bytes(content)
    message = "cannot read" if content is None else "no model that can be read"
    if content == b"colour,x\nred,1\n":
        message = f"error: {path} is a table, and no model"
    assert message in error_of(capsys, "score", path, data)
    assert message in error_of(capsys, "sample", path)


@pytest.mark.parametrize("other", [SharpPCDensity(), StandardScaler(), {"a": 1}])
def test_files_of_something_else(other, data, tmp_path, capsys):
    joblib.dump(other, tmp_path / "other.joblib")
    error = error_of(capsys, "score", tmp_path / "other.joblib", data)
    if isinstance(other, SharpPCDensity):
        assert error.endswith("holds a density that has learnt nothing yet.")
    else:
        assert f"holds no model of skpc but '{type(other).__name__}'; score takes a d" in error


def test_tables_that_do_not_fit_the_model(model, tmp_path, capsys):
    path = tmp_path / "other.csv"
    table()[["colour", "x", "flag"]].to_csv(path, index=False)
    error = error_of(capsys, "score", model, path)
    assert f"{path} lacks a column that the model has learnt: 'count'. It has 'colour', " in error
    frame = table().rename(columns={"count": "Count ", "x": "y"})
    frame.to_csv(path, index=False)
    error = error_of(capsys, "score", model, path)
    assert "lacks 2 columns that the model has learnt: 'count', 'x'. It has 'colour', " in error
    assert "'count' may be 'Count ', spelt otherwise. Name the columns" in error
    table().assign(x="tall").to_csv(path, index=False)
    assert "holds labels in column 'x'" in error_of(capsys, "score", model, path)
