"""What dbt is told of the tables of identity that stand beside the streams."""

from typing import Any

_EVENT_NUMBER = "Event of identity from which on the row holds."
_REPLACED_BY = "Event up to which the row held; empty while it holds."


def identity_sources() -> list[dict[str, Any]]:
    """Tables of the `lake` source, as `lake.identity_rows` makes them."""
    return [
        _table(
            "person_link",
            "One row per record of which the registry says whom it speaks of, and span of events in which that holds.",
            {
                "stream_key": ("Stream of the record.", "varchar"),
                "kafka_partition": ("Partition of the record.", "integer"),
                "kafka_offset": ("Offset of the record.", "bigint"),
                "linked_key": ("Pseudonym that the record was linked to.", "varchar"),
                "person_key": ("Pseudonym that is left of it after merges.", "varchar"),
                "event_number": (_EVENT_NUMBER, "bigint"),
                "replaced_by": (_REPLACED_BY, "bigint"),
            },
        ),
        _table(
            "person_alias",
            "One row per pseudonym that was ever merged into another, and span of events in which that holds.",
            {
                "person_key": ("Pseudonym that records name.", "varchar"),
                "resolved_key": ("Pseudonym that is left of it; itself where a merge was taken back.", "varchar"),
                "event_number": (_EVENT_NUMBER, "bigint"),
                "replaced_by": (_REPLACED_BY, "bigint"),
            },
        ),
        _table(
            "identity_built",
            "One row: the event of identity that the version before was built from.",
            {"event_number": ("Number of the event.", "bigint")},
        ),
    ]


def _table(name: str, description: str, columns: dict[str, tuple[str, str]]) -> dict[str, Any]:
    described = [{"name": n, "description": text, "data_type": kind} for n, (text, kind) in columns.items()]
    return {"name": name, "description": description, "columns": described}
