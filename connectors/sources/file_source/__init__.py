"""Files that agencies drop (CSV, JSON Lines, Parquet), turned into records of a stream."""

from connectors.sources.file_source.mapping import Mapping
from connectors.sources.file_source.mapping_file import mapping_path, read_mapping
from connectors.sources.file_source.send import SendOutcome, send_file

__all__ = ["Mapping", "SendOutcome", "mapping_path", "read_mapping", "send_file"]
