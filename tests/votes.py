"""Votes of a deliberation, every tenth with a value that its contract doesn't allow, and their way into the topic."""

import json
from collections.abc import Iterable

import confluent_kafka

from datacentre.contracts import Contract
from datacentre.settings import Settings

STREAM = "pmo__deliberation_vote"


def vote(contract: Contract, number: int) -> tuple[bytes, bytes]:
    participant = f"{number % 500:016x}"
    fields = {
        "event_id": f"v{number}",
        "source": "pmo/deliberation",
        "event_time": "2026-03-01T10:00:00Z",
        "schema": contract.schema_tag,
        "conversation_id": "evening-clinics",
        "statement_id": f"s{number % 7}",
        "participant_key": participant,
        "vote": ["agree", "disagree", "pass"][number % 3] if number % 10 else "perhaps",
    }
    return participant.encode(), json.dumps(fields).encode()


def produce(
    centre: Settings, messages: Iterable[tuple[bytes, bytes]], transaction: str = ""
) -> confluent_kafka.Producer:
    options = {"bootstrap.servers": centre.bootstrap_servers, "acks": "all"}
    if transaction:
        options["transactional.id"] = transaction
    producer = confluent_kafka.Producer(options)
    if transaction:
        producer.init_transactions(30)
        producer.begin_transaction()
    for key, value in messages:
        producer.produce(STREAM, key=key, value=value)
    producer.flush(30)
    return producer
