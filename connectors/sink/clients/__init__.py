"""Two Kafka clients behind one seam."""

from connectors.sink.clients.seam import Consumer, Membership, Partition

__all__ = ["Consumer", "Membership", "Partition", "open_consumer"]


def open_consumer(client: str, membership: Membership) -> Consumer:
    """`client` is a name of `datacentre.settings.KAFKA_CLIENTS`. Raises SourceUnavailable without a broker."""
    if client == "librdkafka":
        from connectors.sink.clients.librdkafka import LibrdkafkaConsumer

        return LibrdkafkaConsumer(membership)
    from connectors.sink.clients.kafka_python import KafkaPythonConsumer

    return KafkaPythonConsumer(membership)
