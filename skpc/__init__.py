"""Tractable density estimation for scikit-learn with probabilistic circuits."""

from skpc._density import SharpPCDensity

__version__ = "0.1.0.dev0"

__all__ = ["SharpPCDensity", "__version__"]
