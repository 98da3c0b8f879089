"""From rows to a circuit: structure, starts, solvers, when to stop."""
