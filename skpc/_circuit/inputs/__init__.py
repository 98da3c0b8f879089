"""Input distributions: one file for each kind, and one for those of all regions together."""

from skpc._circuit.inputs import (  # which make their kinds known
    cells,
    composite,
    copula,
    forest,
    gaussian,
    table,
)

__all__ = ["cells", "composite", "copula", "forest", "gaussian", "table"]
