"""Input distributions: one file for each kind."""
