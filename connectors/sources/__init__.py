"""Sources: what writes records to Kafka."""
