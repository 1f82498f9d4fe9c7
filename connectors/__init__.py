"""Ways into the lake: sources bring records to Kafka, the sink brings Kafka to the lake."""
