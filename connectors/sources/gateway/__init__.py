"""The HTTP push gateway: agencies post records, which reach Kafka only when they keep their contract."""
