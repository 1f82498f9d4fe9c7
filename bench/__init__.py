"""Benchmarks: figures in one run on one machine, never timed tests."""
