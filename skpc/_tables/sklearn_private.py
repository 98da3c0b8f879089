"""The only file that imports private names of scikit-learn."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from sklearn.utils._param_validation import (
    Interval,
    MissingValues,
    RealNotInt,
    StrOptions,
    validate_params,
)
from sklearn.utils._set_output import _get_output_config as output_config
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

if TYPE_CHECKING:  # or mypy would not know what a decorated fit returns
    _Fit = TypeVar("_Fit", bound=Callable[..., object])

    def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_Fit], _Fit]: ...

else:
    from sklearn.base import _fit_context as fit_context

__all__ = [
    "Interval",
    "MissingValues",
    "RealNotInt",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "output_config",
    "validate_params",
]
