"""Outliers: scores by several densities, and what they say beside the scores of other rows."""
