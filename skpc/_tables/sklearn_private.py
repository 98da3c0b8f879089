"""The only file that imports private names of scikit-learn."""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import (
    Interval,
    MissingValues,
    RealNotInt,
    StrOptions,
    validate_params,
)
from sklearn.utils._set_output import _get_output_config as output_config
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

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
