"""The fast path of the row check: one pass over the bytes finds the records that are surely good."""
