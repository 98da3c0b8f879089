"""``plot``: a picture of a table beside rows of a model."""

import joblib
import numpy as np
import pandas
import pytest
from command_line import error_of, run, table

from skpc.plotting import SamplesDisplay


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn: model, table and options of each picture."""
    calls = []
    draw = SamplesDisplay.from_estimator.__func__

    def watched(cls, estimator, X, **options):
        calls.append((estimator, X, options))
        return draw(cls, estimator, X, **options)

    monkeypatch.setattr(SamplesDisplay, "from_estimator", classmethod(watched))
    return calls


@pytest.mark.parametrize("suffix", ["png", "PDF", "svg"])
def test_the_table_is_drawn_beside_rows_of_its_model(suffix, model, data, tmp_path, drawn):
    output = tmp_path / f"picture.{suffix}"
    options = "--model", model, "--kind", "pairs", "--seed", 3, "--chunk-rows", 50
    assert run("plot", data, *options, "-o", output) == 0
    starts = {"png": b"\x89PNG", "PDF": b"%PDF", "svg": b"<?xml"}
    assert output.read_bytes().startswith(starts[suffix])
    ((estimator, X, options),) = drawn
    learnt = joblib.load(model)
    assert np.array_equal(estimator.score_samples(table()), learnt.score_samples(table()))
    pandas.testing.assert_frame_equal(X.convert_dtypes(), table().convert_dtypes())
    assert options == {"kind": "pairs", "random_state": 3}


def test_without_a_model_one_is_learnt(data, tmp_path, drawn, capsys):
    frame = table().assign(name=[f"row {i}" for i in range(120)])
    frame.to_csv(tmp_path / "data.csv", index=False)
    options = "--id", "name", "--drop", "x", "--categorical", "count"
    assert run("plot", tmp_path / "data.csv", *options, "-o", tmp_path / "picture.png") == 0
    ((estimator, X, _),) = drawn
    assert list(X) == estimator.feature_names_in_.tolist() == ["colour", "count", "flag"]
    assert estimator.feature_types == {"count": "categorical"}
    assert "held-out log-likelihood" in capsys.readouterr().err


def test_what_cannot_be_drawn_is_one_line(model, data, tmp_path, capsys):
    (tmp_path / "empty.csv").write_text("colour,count,x,flag\n")
    picture = tmp_path / "picture.png"
    for arguments, message in (
        ((data, "-o", tmp_path / "picture.csv"), "must end as that of a picture"),
        ((data, "-o", data), "it is read as well"),
        ((data, "-o", picture, "--model", model, "--drop", "x"), "--drop cannot act beside"),
        ((tmp_path / "empty.csv", "-o", picture, "--model", model), "no rows"),
    ):
        assert message in error_of(capsys, "plot", *arguments)
    assert not picture.exists()
