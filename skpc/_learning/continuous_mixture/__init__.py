"""Continuous mixtures: columns, or a forest of them, given a continuous latent variable."""
