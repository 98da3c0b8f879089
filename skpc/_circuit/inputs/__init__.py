"""Input distributions: one file for each kind, and one for those of all regions together."""

from skpc._circuit.inputs import composite, gaussian, table  # which make their kinds known

__all__ = ["composite", "gaussian", "table"]
