"""Model files that the command line reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skpc._cli.messages import UsageError, tell
from skpc._cli.outputs import check_output, write_file


def read_model(path: str, kinds: tuple[type, ...] | None = None) -> Any:
    """The fitted estimator in a file.

    Parameters
    ----------
    path : str
    kinds : tuple of types or None
        What it may be; None is a density, or an estimator that holds one and answers for it.
    """
    import joblib

    from skpc import SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector

    try:
        model = joblib.load(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}.") from error
    except Exception as error:  # whatever unpickling other bytes does
        raise UsageError(f"{path} is no model that can be read: {error!r}") from error
    kinds = kinds or (SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector)
    if not isinstance(model, kinds) or not hasattr(model, "n_features_in_"):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise UsageError(f"{path} holds no fitted {wanted} but {type(model).__name__}.")
    return model


def names_of_model(model: Any) -> list[str]:
    """The names of a model's columns."""
    return list(getattr(model, "feature_names_in_", map(str, range(model.n_features_in_))))


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
