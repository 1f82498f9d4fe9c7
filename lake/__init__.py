"""The tables on disk: Delta Lake tables, their commits and what a given version holds."""
