"""Model files that the command line reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skpc._checks import shown
from skpc._cli.amounts import AmountForm
from skpc._cli.messages import UsageError, tell
from skpc._cli.outputs import check_output, write_file
from skpc._cli.parquet_files import holds_parquet, is_parquet

_DENSITY, _SEARCH, _DETECTOR, _IMPUTER, _CLASSIFIER = (
    "SharpPCDensity", "SharpPCDensityCV", "SharpPCOutlierDetector", "SharpPCImputer",
    "SharpPCClassifier",
)  # fmt: skip
_CALLED = {
    _DENSITY: "a density",
    _SEARCH: "a density that a search has found",
    _DETECTOR: "an outlier detector",
    _IMPUTER: "an imputer",
    _CLASSIFIER: "a classifier",
    "SharpPCMissingnessDensity": "a density of values and of what is missing",
}
_TAKEN = {
    "score": (_DENSITY, _SEARCH, _DETECTOR),
    "sample": (_DENSITY, _SEARCH, _DETECTOR),
    "plot": (_DENSITY, _SEARCH, _DETECTOR),
    "impute": (_DENSITY, _SEARCH, _IMPUTER),
    "outliers": (_DETECTOR,),
    "classify": (_CLASSIFIER,),
}  # by each command
_WRITTEN = {
    _DENSITY: "a density, as fit writes it",
    _DETECTOR: "an outlier detector, as outliers --save-model writes it",
    _CLASSIFIER: "a classifier, as classify --save-model writes it",
}
_CALLS = {"score": "score {} TABLE", "sample": "sample {}"}  # of commands without --model
_TABLES = {".csv", ".tsv", ".txt", ".tab", ".gz", ".bz2", ".xz", ".zip", ".zst"}
_TEXT = 2_000  # bytes that tell a table of text


def read_model(path: str, command: str) -> Any:
    """The fitted estimator in a file, of a kind that a command takes."""
    import joblib

    import skpc

    try:
        model = joblib.load(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}.") from error
    except Exception as error:  # whatever unpickling other bytes does
        if _is_table(Path(path)):
            raise UsageError(_of_table(path, command)) from error
        raise UsageError(f"{path} is no model that can be read: {error!r}") from error
    kind = next((name for name in _CALLED if isinstance(model, getattr(skpc, name))), None)
    if kind is None:
        found = shown(type(model).__name__)
        raise UsageError(f"{path} holds no model of skpc but {found}; {_wanted(command)}")
    if not hasattr(model, "n_features_in_"):
        raise UsageError(f"{path} holds {_CALLED[kind]} that has learnt nothing yet.")
    if kind not in _TAKEN[command]:
        others = [name for name, kinds in _TAKEN.items() if kind in kinds]
        calls = " or ".join(_call(name, path) for name in others)
        remedy = f" What it is for: {calls}." if others else " Python alone reads it."
        raise UsageError(f"{path} holds {_CALLED[kind]}; {_wanted(command)}{remedy}")
    return model


def _wanted(command: str) -> str:
    """What a command takes, as the end of a sentence."""
    wanted = [_WRITTEN[kind] for kind in _TAKEN[command] if kind in _WRITTEN]
    return f"{command} takes {', or '.join(wanted)}."


def _call(command: str, path: str) -> str:
    """How a command is given a model."""
    return f"skpc {_CALLS.get(command, command + ' TABLE --model {}').format(path)}"


def _is_table(path: Path) -> bool:
    """Whether a file that is no model is a table, by its name or what it begins with."""
    if is_parquet(path) or path.suffix in _TABLES or holds_parquet(path):
        return path.stat().st_size > 0
    with open(path, "rb") as file:
        head = file.read(_TEXT)
    try:
        return bool(head.decode().strip()) and b"\x00" not in head
    except UnicodeDecodeError:
        return False


def _of_table(path: str, command: str) -> str:
    """What to say of a table in the place of a model."""
    said = f"{path} is a table, and no model that can be read: "
    if command == "score":
        return f"{said}the model comes first, as in skpc score model.joblib {path}"
    learnt = f"{command} TABLE --save-model" if command in ("outliers", "classify") else "fit"
    return f"{said}{_call(command, 'MODEL')} takes what skpc {learnt} has written."


def names_of_model(model: Any) -> list[str]:
    """The names of a model's columns."""
    return list(getattr(model, "feature_names_in_", map(str, range(model.n_features_in_))))


def keep_amounts(model: Any, table: Any) -> None:
    """Keep with a model how numbers were written in the table that it has learnt from."""
    model._amounts = {name: form.told() for name, form in table.amounts.items()}


def amounts_of_model(model: Any) -> dict[str, AmountForm]:
    """How numbers were written in the table that a model has learnt from."""
    return {name: AmountForm(**told) for name, told in getattr(model, "_amounts", {}).items()}


def check_model_output(path: Path | None, *inputs: str | None) -> None:
    """Say before any work that a model cannot be written."""
    if path is not None:
        check_output(path, *(name for name in inputs if name is not None))


def save_model(path: Path | None, model: Any) -> None:
    """Write a model, if it is to be kept."""
    if path is None:
        return
    import joblib

    write_file(path, lambda target: joblib.dump(model, target))
    tell(f"model: {path}")
