"""The circuit: rooted trees of regions, and the input distributions at them."""
