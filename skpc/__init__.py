"""Tractable density estimation for scikit-learn with probabilistic circuits."""

from skpc._density import SharpPCDensity
from skpc._outliers import SharpPCOutlierDetector

__version__ = "0.1.0.dev0"

__all__ = ["SharpPCDensity", "SharpPCOutlierDetector", "__version__"]
