"""What parameters of a density may be, and which cannot act beside others and are refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from skpc._checks import shown
from skpc._tables.sklearn_private import Interval, StrOptions

HELD_OUT = 0.1
"""The share of rows that are held out, if nothing else is said."""

FEW_ROWS = 1500
"""By weight: each fold of fewer is held out in turn, to choose or to judge what is learnt."""

N_FOLDS = 5

Structure = Literal["chow-liu", "chain", "star", "rat", "continuous-mixture", "auto"]

STRUCTURES = {*get_args(Structure)}

CONSTRAINTS: dict[str, list[Any]] = {
    "n_latents": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "mu": [Interval(Real, 0, None, closed="left"), None],
    "regularizer": [StrOptions({"global", "gated"})],
    "multiplier": [StrOptions({"unit", "exact"})],
    "update": [StrOptions({"quadratic", "cubic"})],
    "solver": [StrOptions({"em", "adam"})],
    "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
    "max_iter": [Interval(Integral, 1, None, closed="left"), None],
    "tol": [Interval(Real, 0, None, closed="left")],
    "early_stopping": [
        "boolean",
        StrOptions({"auto"}),
        Interval(Real, 0, 1, closed="neither"),
    ],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "pseudocount": [Interval(Real, 0, None, closed="left"), "array-like"],
    "init": [StrOptions({"cluster", "random"})],
    "n_init": [Interval(Integral, 1, None, closed="left")],
    "feature_types": ["array-like", dict, str],
    "structure": ["array-like", StrOptions(STRUCTURES)],
    "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "feature_groups": ["array-like", StrOptions({"auto"}), None],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "dtype": [StrOptions({"float64", "float32"})],
    "n_jobs": [Integral, None],
    "verbose": ["verbose", StrOptions({"bar"})],
}
"""What each parameter of a `SharpPCDensity` may be."""

Settings = Mapping[str, Any]
"""All parameters of a `SharpPCDensity`, and `X_val`, whether such rows are given."""


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


def is_share(early_stopping: Any) -> bool:
    """Whether this value of `early_stopping` is the share of rows to hold out."""
    return isinstance(early_stopping, Real) and not isinstance(early_stopping, bool)


def held_out_share(early_stopping: Any) -> float:
    """The share of rows that early stopping holds out."""
    return float(early_stopping) if is_share(early_stopping) else HELD_OUT


def _is_adam(settings: Settings) -> bool:
    return bool(settings["solver"] == "adam")


def is_continuous(structure: Any) -> bool:
    """Whether this value of `structure` is the continuous mixture."""
    return isinstance(structure, str) and structure == "continuous-mixture"


def _is_continuous(settings: Settings) -> bool:
    return is_continuous(settings["structure"])


_OF_TREES = "is of hidden trees, and structure='continuous-mixture' has none"
_M_STEP = "is of EM's M-step, which solver='adam' does without"
_NOT_STOPPED = (
    "needs validation rows, and there are none with early_stopping={value_of[early_stopping]}{also}"
)

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
    Inert(
        "dtype", lambda s: s["update"] == "cubic",
        "is not for update='cubic', which computes in float64", "Set update='quadratic'",
    ),
    Inert(
        "dtype", lambda s: _is_adam(s) and bool(s["mu"]),
        "is not for solver='adam' with a penalty, which computes in float64", "Set mu=0",
    ),
    *(
        Inert(parameter, _is_continuous, _OF_TREES, "Set structure='chow-liu'")
        for parameter in ("init", "n_init", "n_components", "feature_groups", "regularizer")
    ),
    *(
        Inert(
            parameter, _is_continuous,
            "is not for structure='continuous-mixture', which is learnt by gradient from "
            "mini-batches, in float32", "Set structure='chow-liu'",
        )
        for parameter in ("solver", "update", "dtype")
    ),
    Inert(
        "batch_size", lambda s: _is_continuous(s) and s["batch_size"] is None,
        "is not for structure='continuous-mixture', which is learnt from mini-batches",
        "Set a number of rows",
    ),
    *(
        Inert(
            parameter, lambda s: same_setting(s["structure"], "auto"),
            "cannot be set where structure='auto' chooses it", "Set structure='chow-liu'",
        )
        for parameter in ("n_latents", "solver")
    ),
    Inert(
        "early_stopping", lambda s: s["X_val"] and is_share(s["early_stopping"]),
        "is a share of rows to hold out: with X_val there are none", "Pass no X_val",
    ),
    Inert(
        "n_iter_no_change", lambda s: not stops_early(s), _NOT_STOPPED,
        "Set early_stopping=True, or pass X_val",
    ),
)  # fmt: skip

OF_THE_START = (
    "structure",
    "n_components",
    "feature_groups",
    "feature_types",
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
