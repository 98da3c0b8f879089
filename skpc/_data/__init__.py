"""Rows as numbered symbols: what they show each region, distinct and weighted."""
