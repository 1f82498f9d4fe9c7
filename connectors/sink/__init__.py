"""Kafka to the lake, exactly once."""
