"""Tractable density estimation for scikit-learn with probabilistic circuits."""

from skpc._estimators.base import SKOPS_TRUSTED_TYPES
from skpc._estimators.classifier import SharpPCClassifier
from skpc._estimators.conditional_distribution import ConditionalDistribution
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.density_cv import SharpPCDensityCV
from skpc._estimators.explanation import Explanation, OddPair, OddValue, WeakEvidence
from skpc._estimators.imputer import SharpPCImputer
from skpc._estimators.missingness_density import SharpPCMissingnessDensity
from skpc._estimators.outlier_detector import SharpPCOutlierDetector
from skpc._version import __version__

__all__ = [
    "SKOPS_TRUSTED_TYPES",
    "ConditionalDistribution",
    "Explanation",
    "OddPair",
    "OddValue",
    "SharpPCClassifier",
    "SharpPCDensity",
    "SharpPCDensityCV",
    "SharpPCImputer",
    "SharpPCMissingnessDensity",
    "SharpPCOutlierDetector",
    "WeakEvidence",
    "__version__",
]
