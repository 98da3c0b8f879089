"""``classify``: classes of rows, and how good they are."""

import re

import joblib
import numpy as np
import pandas
import pytest
from command_line import error_of, run
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from skpc import SharpPCClassifier, SharpPCDensity


def rows(n=60, seed=0):
    rng = np.random.default_rng(seed)
    k = rng.integers(0, 2, n)
    frame = pandas.DataFrame({"kind": np.array(["apple", "pear"], object)[k]})
    frame["size"] = (rng.normal(size=n) + 2 * k).round(3)
    frame["ripe"] = rng.random(n) < 0.3 + 0.4 * k
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    rows().to_csv(folder / "train.csv", index=False)
    return folder


def classifier():
    return SharpPCClassifier(SharpPCDensity(), random_state=0)


def test_without_a_second_table_rows_are_predicted_by_others(folder, capsys):
    frame = rows().assign(name=[f"row {i}" for i in range(60)])
    frame.loc[7, "kind"] = None
    frame.to_csv(folder / "named.csv", index=False)
    output = folder / "classes.csv"
    arguments = "classify", folder / "named.csv", "--target", "kind", "--id", "name"
    assert run(*arguments, "--folds", 2, "-o", output) == 0
    told = capsys.readouterr().err
    written = pandas.read_csv(output)
    assert list(written) == ["name", "kind", "kind predicted", "p(apple)", "p(pear)"]
    assert written["name"].tolist() == frame["name"].tolist()
    known = frame[frame["kind"].notna()]
    X, y = known[["size", "ripe"]], known["kind"].to_numpy(dtype=str)
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    expected = cross_val_predict(classifier(), X, y, cv=folds, method="predict_proba")
    found = written[["p(apple)", "p(pear)"]].to_numpy()
    assert found[frame["kind"].notna()] == pytest.approx(expected, rel=1e-9)
    whole = clone(classifier()).fit(X, y)
    assert found[7] == pytest.approx(
        whole.predict_proba(frame[["size", "ripe"]].iloc[7:8])[0], rel=1e-9
    )
    guesses = whole.classes_[expected.argmax(axis=1)]
    accuracy, loss = accuracy_score(y, guesses), log_loss(y, expected)
    assert f"cross-validated accuracy: {100 * accuracy:.1f} %" in told
    assert f"cross-validated log-loss: {loss:.4f} nats per row" in told


def test_a_second_table_is_predicted_and_judged_if_it_tells(folder, capsys):
    new, output = rows(30, seed=1), folder / "new classes.csv"
    model = classifier().fit(rows()[["size", "ripe"]], rows()["kind"].to_numpy(dtype=str))
    expected = model.predict_proba(new[["size", "ripe"]])
    for columns in (["ripe", "kind", "size"], ["ripe", "size"]):
        new[columns].to_csv(folder / "new.csv", index=False)
        arguments = "classify", folder / "train.csv", folder / "new.csv", "--target", "kind"
        assert run(*arguments, "-o", output, "--save-model", folder / "m.joblib") == 0
        told = capsys.readouterr().err
        written = pandas.read_csv(output)
        assert written[["p(apple)", "p(pear)"]].to_numpy() == pytest.approx(expected, rel=1e-9)
        assert (
            written["kind predicted"].tolist() == model.classes_[expected.argmax(axis=1)].tolist()
        )
        loss = log_loss(new["kind"], expected)
        assert (f"test log-loss: {loss:.4f}" in told) == ("kind" in columns)
    assert joblib.load(folder / "m.joblib").classes_.tolist() == ["apple", "pear"]


def test_a_classifier_that_is_kept_predicts_other_tables_whole_and_in_parts(folder, capsys):
    new, output, kept = rows(30, seed=1), folder / "new classes.csv", folder / "kept.joblib"
    learning = "classify", folder / "train.csv", "--target", "kind", "--folds", 2
    assert run(*learning, "--save-model", kept, "--quiet") == 0
    model = classifier().fit(rows()[["size", "ripe"]], rows()["kind"].to_numpy(dtype=str))
    expected = model.predict_proba(new[["size", "ripe"]])
    capsys.readouterr()
    for columns, options in ((["ripe", "size"], ()), (list(new), ("--chunk-rows", 7))):
        new[columns].to_csv(folder / "new.csv", index=False)
        predicting = "classify", folder / "new.csv", "--model", kept
        assert run(*predicting, "-o", output, *options) == 0
        written = pandas.read_csv(output)
        assert list(written) == ["kind predicted", "p(apple)", "p(pear)"]
        assert written[["p(apple)", "p(pear)"]].to_numpy() == pytest.approx(expected, rel=1e-9)
        loss = log_loss(new["kind"], expected)
        assert (f"test log-loss: {loss:.4f}" in capsys.readouterr().err) == ("kind" in columns)


def test_what_cannot_act_beside_a_classifier_that_is_kept(folder, capsys):
    joblib.dump(classifier().fit([[0.0], [1.5], [1.0], [0.5]], [0, 1, 1, 0]), folder / "c.joblib")
    train, kept = folder / "train.csv", folder / "c.joblib"
    for options, message in (
        ([train, train, "--model", kept], "a second table cannot act beside --model"),
        ([train, "--model", kept, "--folds", 3], "--folds cannot act beside --model"),
        ([train, "--model", kept, "--drop", "size"], "--drop cannot act beside --model"),
        ([train], "--target is missing"),
        ([train, "--model", kept], "lacks a column that the model has learnt: '0'"),
        ([train, "--model", train], f"{train} is a table, and no model that can be read"),
    ):
        assert message in error_of(capsys, "classify", *options)


def test_a_class_with_one_row_is_wrong_and_has_no_log_loss(folder, capsys):
    frame = rows()
    frame.loc[[11, 31], "kind"] = "fig", "kiwi"
    frame.to_csv(folder / "lonely.csv", index=False)
    assert run("classify", folder / "lonely.csv", "--target", "kind", "--folds", 2) == 0
    told = capsys.readouterr()
    assert "2 rows of a class without a second row ('fig', 'kiwi'), which no other" in told.err
    assert "least populated" not in told.err
    X, y = frame[["size", "ripe"]], frame["kind"].to_numpy(dtype=str)
    found, known = np.zeros((60, 2)), ["apple", "pear"]
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    with pytest.warns(UserWarning, match="least populated"):
        parts = list(folds.split(X, y))
    for training, rest in parts:
        model = classifier().fit(X.iloc[training], y[training])
        columns = [model.classes_.tolist().index(kind) for kind in known]
        found[rest] = model.predict_proba(X.iloc[rest])[:, columns]
    others = np.isin(y, known)
    own = found[others][np.arange(58), (y[others] == "pear").astype(int)]
    shares = np.log([np.mean(y == kind) for kind in y[others]])
    line = f"log-loss (without 2 rows alone in a class): {-np.log(own).mean():.4f} nats per row"
    assert f"{line}; shares of classes alone: {-shares.mean():.4f}" in told.out
    right = (found.argmax(axis=1) == (y == "pear"))[others].sum() / 60
    assert f"accuracy: {100 * right:.1f} %" in told.out


def test_the_headline_is_the_result_where_no_table_is_written(folder, capsys):
    arguments = "classify", folder / "train.csv", "--target", "kind", "--folds", 2, "--quiet"
    assert run(*arguments) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert re.match(r"cross-validated accuracy: \d+\.\d %; the most frequent class", printed.out)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("size", "holds numbers with fractions"),
        ("name", "has 60 different values in 60 rows, which are no classes"),
        ("one", "has the value 'x' only"),
        ("none", "has no value"),
        ("colour", "there is no column 'colour'"),
    ],
)
def test_targets_that_are_no_classes(target, message, folder, capsys):
    frame = rows().assign(name=[f"row {i}" for i in range(60)], one="x", none=None)
    frame.to_csv(folder / "targets.csv", index=False)
    assert message in error_of(capsys, "classify", folder / "targets.csv", "--target", target)


def test_classes_of_which_nothing_is_known_are_said_to_be_such(folder, capsys):
    rng = np.random.default_rng(0)
    noise = pandas.DataFrame(
        {"kind": rng.choice(["a", "b"], 80), "x": rng.normal(size=80), "y": rng.normal(size=80)}
    )
    said = "that is no better than the shares alone: the other columns tell nothing of 'kind'"
    for name, frame, is_said in (("noise", noise, True), ("kinds", rows(), False)):
        frame.to_csv(folder / f"{name}.csv", index=False)
        assert run("classify", folder / f"{name}.csv", "--target", "kind", "--folds", 2) == 0
        out = capsys.readouterr().out
        loss, alone = map(float, re.findall(r"\d\.\d{4}", out))
        assert (said in out) == is_said == (loss >= alone)
