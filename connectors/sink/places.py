"""Where to read each partition from: the lake's positions, held against what the topic still has."""

from collections.abc import Collection, Mapping

from connectors.topics import Topic
from datacentre.errors import CheckFailed


def require_known(topic: Topic, partitions: Collection[int], positions: Mapping[int, int]) -> None:
    """Raises CheckFailed for partitions that the lake or the description of the topic doesn't have."""
    unknown = sorted(set(partitions) - (set(positions) & set(topic.first_offsets)))
    if unknown:
        raise CheckFailed(
            f"{topic.name}: the topic has new partition(s) {unknown}; start them with: "
            f"datacentre sink --start-partitions"
        )


def require_readable(topic: Topic, positions: Mapping[int, int]) -> None:
    """Raises CheckFailed, naming the offsets, where the topic can't give what comes next."""
    for partition, offset in sorted(positions.items()):
        first, end = topic.first_offsets[partition], topic.end_offsets[partition]
        if offset < first:
            raise CheckFailed(
                f"{topic.name}: partition {partition} offsets {offset} to {first - 1} are lost: retention removed "
                f"them before they were landed. Nothing was read. Go on without them, which is recorded, with: "
                f"datacentre sink {topic.name} --skip-lost"
            )
        if offset > end:
            raise CheckFailed(
                f"{topic.name}: the lake holds partition {partition} up to offset {offset - 1}, the topic ends at "
                f"{end - 1}: the broker has lost records. Nothing was read; its new ones would be skipped"
            )
