"""Comparison: which of two variants is better on the same calls, by how much, and how sure that is."""
