"""How far each topic-partition has been landed: the Delta transactions of `landed`."""

from collections.abc import Iterable
from pathlib import Path

from deltalake import DeltaTable

from datacentre import names
from datacentre.contracts import Contract
from lake.current import current_table
from lake.tables import bound_topic, offset_bases


def transactions(table: DeltaTable, partitions: Iterable[int]) -> dict[int, int]:
    """Next offset by partition, for the partitions that have one in this table."""
    cluster_id, topic_id = bound_topic(table).split("/")
    known = {p: table.transaction_version(names.transaction_app(cluster_id, topic_id, p)) for p in partitions}
    return {p: version for p, version in known.items() if version is not None}


def partitions_of(table: DeltaTable, at_least: int) -> range:
    """Partitions 0..n-1 that have a transaction, or `at_least` of them."""
    count = at_least
    while transactions(table, [count]):
        count += 1
    return range(count)


def landed_bases(lake: Path, contract: Contract) -> dict[int, int]:
    """What the lake adds to the topic's offsets, by partition; see `lake.tables.offset_bases`."""
    table = current_table(lake, contract, "landed")
    return {} if table is None else offset_bases(table)


def landed_positions(lake: Path, contract: Contract) -> dict[int, int]:
    """Next offset to land by partition; empty when the stream was never landed."""
    return landed_positions_and_bases(lake, contract)[0]


def landed_positions_and_bases(lake: Path, contract: Contract) -> tuple[dict[int, int], dict[int, int]]:
    """`landed_positions` and `landed_bases` of one version of the table."""
    table = current_table(lake, contract, "landed")
    if table is None:
        return {}, {}
    return transactions(table, partitions_of(table, contract.partitions)), offset_bases(table)
