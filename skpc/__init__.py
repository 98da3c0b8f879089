"""Tractable density estimation for scikit-learn with probabilistic circuits."""

from skpc._classifier import SharpPCClassifier
from skpc._cv import SharpPCDensityCV
from skpc._density import SharpPCDensity
from skpc._impute import SharpPCImputer
from skpc._outliers import SharpPCOutlierDetector
from skpc._stored import SKOPS_TRUSTED_TYPES
from skpc._version import __version__

__all__ = [
    "SKOPS_TRUSTED_TYPES",
    "SharpPCClassifier",
    "SharpPCDensity",
    "SharpPCDensityCV",
    "SharpPCImputer",
    "SharpPCOutlierDetector",
    "__version__",
]
