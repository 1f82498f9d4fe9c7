"""The one place that builds names from a stream key such as `dcrc__census_transfer`."""

import re

from datacentre.errors import ContractError

_STREAM_KEY = re.compile(r"[a-z][a-z0-9]*__[a-z][a-z0-9]*(_[a-z0-9]+)*")


def checked_stream_key(key: str) -> str:
    """Return `key` when it reads `<agency>__<entity>` in lower case; raise ContractError otherwise."""
    if not _STREAM_KEY.fullmatch(key):
        raise ContractError(f"stream key {key!r} must read <agency>__<entity>, lower case letters, digits, underscores")
    return key


def agency(key: str) -> str:
    """The agency's part of a stream key; also the dbt group that it owns."""
    return key.partition("__")[0]


def topic(key: str) -> str:
    return key


def suite(key: str) -> str:
    return key


def staging_model(key: str) -> str:
    return f"stg_{key}"


def schema_tag(key: str, version: str) -> str:
    """The `schema` field of a record: contract key and version."""
    return f"{key}@{version}"


def transaction_app(cluster_id: str, topic_id: str, partition: int) -> str:
    """Delta `txn` application id of one topic-partition."""
    return f"{cluster_id}/{topic_id}/{partition}"


def replay_app(replay_id: str) -> str:
    """Delta `txn` application id of one replay, in each table that it writes."""
    return f"replay/{replay_id}"


def landed_asset(key: str) -> str:
    return f"lake://landed/{key}"


def certified_asset(key: str) -> str:
    return f"lake://certified/{key}"


def marts_asset() -> str:
    return "marts://published"
