"""An agency's relational database, read piece by piece by watermark and key, turned into records of a stream."""

from connectors.sources.database.database_mapping import (
    check_detects_deletes,
    database_section,
    overridden,
    read_database_mapping,
)
from connectors.sources.database.follow import follow
from connectors.sources.database.pull import PAGE_ROWS, DatabaseSource, PullOutcome, only_puller

__all__ = [
    "PAGE_ROWS",
    "DatabaseSource",
    "PullOutcome",
    "check_detects_deletes",
    "database_section",
    "follow",
    "only_puller",
    "overridden",
    "read_database_mapping",
]
