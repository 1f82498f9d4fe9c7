"""Faults of every kind while records stream: nothing lost, nothing twice."""
