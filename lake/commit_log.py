"""A table's Delta log, followed and extended entry by entry.

deltalake lists the log's folder for every commit, several times and with a stat of each entry: 60 ms of a commit
after the first hundred, 180 after six thousand. Entries are numbered without a gap, so that the next one needs no
listing. The format is that of the Delta protocol (delta.io, PROTOCOL.md, writer version 2); an entry is put in
place by a hard link, as deltalake does it: of two writers one gets the number. All else, checkpoints and
compaction too, is deltalake's work. docs/decisions/011 has the figures.
"""

import json
import logging
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

from datacentre import names
from datacentre.errors import CheckFailed
from lake.positions import partitions_of, transactions
from lake.tables import (
    CHECKPOINT_COMMITS,
    CHECKPOINT_INTERVAL,
    PARTITION,
    TOPIC,
    require_memory,
    table_path,
    unavailable,
)

_WRITER_VERSION = 2
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.02
_ENGINE = f"datacentre {version('datacentre')}"

_log = logging.getLogger(__name__)


class Overtaken(Exception):
    """Another writer has moved a partition, or the table to another topic; nothing of this commit counts."""


class CommitLog:
    """How far each partition is in one table, as of its newest entry seen. Not safe for several threads.

    `positions` has the next offset of every partition of `topic` (`<cluster id>/<topic id>`) that has a transaction.
    """

    def __init__(self, table: DeltaTable, partitions: int = 1):
        """`partitions` is how many of them to look for at least.

        Raises CheckFailed for a table that asks more of a writer than this one knows.
        """
        self._partitions = partitions
        self._columns: dict[str, Any] = {}
        self.folder = table_path(table)
        self._entries = self.folder / "_delta_log"
        self._load(table)

    def _load(self, table: DeltaTable | None = None) -> None:
        with _told(self.folder):
            table = table or DeltaTable(self.folder)
            protocol, metadata = table.protocol(), table.metadata()
            self._require_known(protocol.min_writer_version, protocol.writer_features)
            self._set(dict(metadata.configuration), table.schema().to_json())
            self.version = table.version()
            self.positions = transactions(table, partitions_of(table, self._partitions))

    def _set(self, configuration: dict[str, str], schema: str) -> None:
        """Take over properties and columns; those that a newer contract has added are no concern of this sink."""
        require_memory(self.folder, configuration)
        columns = {field["name"]: field["type"] for field in json.loads(schema)["fields"]}
        changed = sorted(name for name, kind in self._columns.items() if columns.get(name) != kind)
        if changed:
            raise CheckFailed(
                f"{self.folder}: another program has changed or removed columns while this sink writes them: "
                f"{', '.join(changed)}. Restore the table from backup, or start the sink with a contract that fits"
            )
        self._configuration, self._columns = configuration, columns

    @property
    def topic(self) -> str:
        return self._configuration[TOPIC]

    def known(self, partitions: Iterable[int]) -> dict[int, int]:
        """The positions of those partitions that have one."""
        return {p: self.positions[p] for p in partitions if p in self.positions}

    def follow(self) -> None:
        """Read what others have committed. Raises CheckFailed for a change of the table that a sink can't live with,
        SourceUnavailable where the log can't be read."""
        while True:
            while (entry := self._read(self.version + 1)) is not None:
                self._take(entry)
                self.version += 1
            if self._newest_checkpoint() <= self.version or self._file(self.version + 1).exists():
                return
            self._load()  # what comes next was cleaned away

    def append(self, files: Iterable[AddAction], positions: Mapping[int, int], info: Mapping[str, str]) -> None:
        """Commit files together with the next offsets that they bring their partitions to.

        Raises Overtaken when another writer has committed one of these partitions since they were last looked at.
        """
        topic, before = self.topic, {p: self.positions.get(p) for p in positions}
        entry = "\n".join(json.dumps(action) for action in self._actions(files, positions, info)).encode()
        while not self._put(self.version + 1, entry):
            self.follow()
            if self.topic != topic or any(self.positions.get(p) != at for p, at in before.items()):
                raise Overtaken(f"{self.folder}: another writer was faster")
        number, checkpoint = self.version + 1, self._newest_checkpoint()
        if checkpoint >= number:  # this process slept until the number had been used and cleaned away
            self._load()
            raise Overtaken(f"{self.folder}: the log has gone on behind version {number}")
        self.version = number
        self.positions |= positions
        if number - max(checkpoint, 0) >= self._checkpoint_interval:
            self._checkpoint()

    @property
    def _checkpoint_interval(self) -> int:
        written = self._configuration.get(CHECKPOINT_INTERVAL, "")
        return int(written) if written.isdigit() and int(written) else CHECKPOINT_COMMITS

    def _checkpoint(self) -> None:
        """The commit is made: where this fails, the next commit tries again."""
        try:
            DeltaTable(self.folder, version=self.version).create_checkpoint()
        except (DeltaError, OSError) as problem:
            _log.warning("%s: no checkpoint at version %d: %s", self.folder, self.version, problem)

    def _actions(
        self, files: Iterable[AddAction], positions: Mapping[int, int], info: Mapping[str, str]
    ) -> Iterator[dict[str, Any]]:
        now_ms = time.time_ns() // 1_000_000
        parameters = {"mode": "Append", "partitionBy": json.dumps([PARTITION])}
        commit = {"timestamp": now_ms, "operation": "WRITE", "operationParameters": parameters, "engineInfo": _ENGINE}
        yield {"commitInfo": commit | dict(info)}
        cluster_id, topic_id = self.topic.split("/")
        for partition, following in sorted(positions.items()):
            app = names.transaction_app(cluster_id, topic_id, partition)
            yield {"txn": {"appId": app, "version": following, "lastUpdated": now_ms}}
        for file in files:
            yield {
                "add": {
                    "path": file.path,
                    "partitionValues": file.partition_values,
                    "size": file.size,
                    "modificationTime": file.modification_time,
                    "dataChange": file.data_change,
                    "stats": file.stats,
                }
            }

    def _put(self, number: int, entry: bytes) -> bool:
        """Whether the entry is in place under its number; False where another one is."""
        draft = self._entries / f"{uuid.uuid4()}.tmp"
        try:
            draft.write_bytes(entry)
            os.link(draft, self._file(number))
        except FileExistsError:
            return False
        finally:
            draft.unlink(missing_ok=True)
        return True

    def _file(self, number: int) -> Path:
        return self._entries / f"{number:020}.json"

    def _read(self, number: int) -> list[dict[str, Any]] | None:
        with _told(self._file(number)):
            try:
                return [json.loads(line) for line in self._file(number).read_bytes().splitlines() if line.strip()]
            except FileNotFoundError:
                return None

    def _take(self, entry: Iterable[Mapping[str, Any]]) -> None:
        for action in entry:
            if (protocol := action.get("protocol")) is not None:
                self._require_known(protocol["minWriterVersion"], protocol.get("writerFeatures"))
            if (metadata := action.get("metaData")) is not None:
                topic = self.topic
                self._set(dict(metadata["configuration"]), metadata["schemaString"])
                if self.topic != topic:
                    self.positions = {}
        for action in entry:
            if (transaction := action.get("txn")) is not None:
                topic, _, partition = transaction["appId"].rpartition("/")
                if topic == self.topic:
                    self.positions[int(partition)] = transaction["version"]

    def _newest_checkpoint(self) -> int:
        """Its version, -1 before the first. Another program may be writing the file that tells it."""
        file = self._entries / "_last_checkpoint"
        with _told(file):
            for attempt in range(_ATTEMPTS):
                try:
                    return int(json.loads(file.read_bytes())["version"])
                except FileNotFoundError:
                    return -1
                except (ValueError, KeyError):
                    if attempt == _ATTEMPTS - 1:
                        raise
                    time.sleep(_PAUSE_SECONDS)
        raise AssertionError

    def _require_known(self, writer_version: int, features: Iterable[str] | None) -> None:
        if writer_version > _WRITER_VERSION or features:
            asked = ", ".join(features or ()) or "none named"
            raise CheckFailed(
                f"{self.folder}: another program has raised the table to Delta writer version {writer_version} "
                f"(features: {asked}); the sink writes version {_WRITER_VERSION}. Restore the table from backup, or "
                f"drop the features with the program that added them"
            )


@contextmanager
def _told(place: Path) -> Iterator[None]:
    """Have what goes wrong named as one error of ours: a rebalance callback would swallow others."""
    try:
        yield
    except (DeltaError, OSError, ValueError, KeyError) as problem:
        raise unavailable(f"{place}: can't be read", problem) from problem
