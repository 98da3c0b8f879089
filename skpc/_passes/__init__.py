"""Upward and downward passes over the patterns of rows."""
