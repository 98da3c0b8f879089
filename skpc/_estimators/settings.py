"""Parameters that cannot act beside others: what is set all the same is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from skpc._checks import shown

Settings = Mapping[str, Any]
"""All parameters of a `SharpPCDensity`, `X_val`, whether such rows are given, and `n_columns`."""


class Inert(NamedTuple):
    """A parameter that cannot act, whatever its value.

    Attributes
    ----------
    parameter : str
    when : callable
        Whether that is so with these settings.
    reason, remedy : str
        For the message; fields in braces are names of parameters, or ``value_of`` them.
    """

    parameter: str
    when: Callable[[Settings], bool]
    reason: str
    remedy: str


def stops_early(settings: Settings) -> bool:
    """Whether validation rows may end learning, as far as parameters tell."""
    if settings["X_val"]:
        return True
    if isinstance(settings["early_stopping"], str):
        return not settings["warm_start"]
    return bool(settings["early_stopping"])


def _is_adam(settings: Settings) -> bool:
    return bool(settings["solver"] == "adam")


def _has_no_steps(settings: Settings) -> bool:
    is_full = settings["batch_size"] is None or settings["update"] == "cubic"
    return is_full and not _is_adam(settings)


def _names_all_types(settings: Settings) -> bool:
    types = settings["feature_types"]
    if isinstance(types, str):
        return types != "auto"
    if isinstance(types, Mapping):
        n_columns = settings["n_columns"]
        named = {key % n_columns if isinstance(key, Integral) else key for key in types}
        return len(named) >= n_columns and "auto" not in types.values()
    return "auto" not in list(types)


_M_STEP = "is of EM's M-step, which solver='adam' does without"
_NOT_STOPPED = "needs validation rows: early_stopping={value_of[early_stopping]}{also} has none"

INERT = (
    Inert(
        "regularizer", _is_adam,
        "is a form of EM's update: solver='adam' descends along the gradient of the trace itself",
        "Set solver='em'",
    ),
    Inert("multiplier", _is_adam, _M_STEP, "Set solver='em'"),
    Inert(
        "update", _is_adam, "needs EM on all rows at once, whose M-step it is a form of",
        "Set solver='em'",
    ),
    Inert("shrinkage", _is_adam, _M_STEP, "Set solver='em'"),
    Inert(
        "step_size", _has_no_steps, "is of mini-batches: EM on all rows at once has no steps",
        "Set batch_size (and update='quadratic'), or solver='adam'",
    ),
    Inert(
        "dtype", lambda s: s["update"] == "cubic",
        "is not for update='cubic', which computes in float64", "Set update='quadratic'",
    ),
    Inert(
        "dtype", lambda s: _is_adam(s) and bool(s["mu"]),
        "is not for solver='adam' with a penalty, which computes in float64", "Set mu=0",
    ),
    Inert(
        "validation_fraction", lambda s: s["X_val"],
        "is of rows held out: with X_val there are none", "Pass no X_val",
    ),
    Inert(
        "validation_fraction", lambda s: not stops_early(s), _NOT_STOPPED,
        "Set early_stopping=True",
    ),
    Inert(
        "n_iter_no_change", lambda s: not stops_early(s), _NOT_STOPPED,
        "Set early_stopping=True, or pass X_val",
    ),
    Inert(
        "refit", lambda s: s["X_val"],
        "is about rows held out: with X_val there are none",
        "Pass no X_val",
    ),
    Inert("refit", lambda s: not stops_early(s), _NOT_STOPPED, "Set early_stopping=True"),
    Inert(
        "refit", lambda s: s["warm_start"],
        "is so in any case with {warm_start}=True", "Set {warm_start}=False",
    ),
    Inert(
        "n_repetitions", lambda s: not isinstance(s["structure"], str) or s["structure"] != "rat",
        "is of random trees", "Set structure='rat'",
    ),
    Inert(
        "max_categories", _names_all_types,
        "decides where types are 'auto': feature_types names all", "Let some be 'auto'",
    ),
)  # fmt: skip

OF_THE_START = (
    "structure",
    "n_components",
    "n_repetitions",
    "feature_groups",
    "feature_types",
    "max_categories",
    "shrinkage",
    "init",
    "n_init",
)
"""Parameters that a fit which goes on from the last circuit has no use for."""


def refuse_inert(
    settings: Settings, defaults: Mapping[str, Any], names: Mapping[str, str] | None = None
) -> None:
    """Raise a ValueError that names the first parameter that is set and cannot act.

    Parameters
    ----------
    settings : mapping
        See `Settings`.
    defaults : mapping
        Values of parameters that count as not set.
    names : mapping, optional
        What an estimator calls parameters of the density that it has under another name.
    """
    called = {name: (names or {}).get(name, name) for name in settings}
    is_auto = isinstance(settings["early_stopping"], str)
    fields = {
        **called,
        "value_of": {name: shown(value) for name, value in settings.items()},
        "also": f" and {called['warm_start']}=True" if is_auto else "",
    }
    for parameter, when, reason, remedy in INERT:
        value, default = settings[parameter], defaults[parameter]
        if not same_setting(value, default) and when(settings):
            raise ValueError(
                f"{called[parameter]}={shown(value)} {reason.format(**fields)}; so it cannot act. "
                f"{remedy.format(**fields)}, or leave {called[parameter]} at {shown(default)}."
            )


def defaults_of(estimator: type) -> dict[str, Any]:
    """The default of each parameter of a constructor."""
    parameters = inspect.signature(estimator).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def same_setting(a: Any, b: Any) -> bool:
    """Whether two values of a parameter are equal, arrays and sequences included."""
    try:
        return a is b or bool(a == b)
    except ValueError:  # of arrays
        return bool(np.array_equal(a, b))
