"""Immutable releases: one consumer's rows and columns, and nothing else."""
