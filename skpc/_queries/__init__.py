"""Questions to a fitted circuit beyond the likelihood."""
