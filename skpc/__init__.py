"""Tractable density estimation for scikit-learn with probabilistic circuits."""

from skpc._cv import SharpPCDensityCV
from skpc._density import SharpPCDensity

__version__ = "0.1.0.dev0"

__all__ = ["SharpPCDensity", "SharpPCDensityCV", "__version__"]
