"""Land quarantined records that today's rules find good: each once, at the offset where it came.

Marked first, then vault, then landed; each commit is tied to the replay's own transaction, so that whatever
ends in between is finished by the next replay and nothing is done twice.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from connectors.sink.batch import BATCH
from connectors.sink.patch import NO_PATCH, Patch
from connectors.sink.split import Split, Splitter
from datacentre import names
from datacentre.contracts import Contract
from datacentre.errors import CheckFailed, SourceUnavailable
from datacentre.file_lock import locked_if_free
from datacentre.pseudonym import PseudonymKey
from lake.decisions import Decision, decide, offsets_of
from lake.next_commit import append_once
from lake.positions import landed_positions
from lake.quarantine import Selection, open_rows, replays, rows_of_replay
from lake.rewrite import Offsets
from lake.tables import open_table

_ROWS = 50_000
_HASH_DIGITS = 12


@dataclass(frozen=True)
class Replay:
    """One replay that has landed: the version of landed that first holds it, and its offsets by partition.

    `is_new` tells one that landed just now from one of before.
    """

    id: str
    version: int
    offsets: Offsets
    is_new: bool

    @property
    def rows(self) -> int:
        return sum(len(o) for o in self.offsets.values())


class Replayer:
    """Replays one stream's quarantine; one at a time, beside running sinks."""

    def __init__(self, lake: Path, contract: Contract, key: PseudonymKey, who: str):
        """Raises CheckFailed when the stream has never landed."""
        self._lake, self._contract, self._who = lake, contract, who
        self._landed, self._vault, self._quarantine = (self._table(x) for x in ("landed", "vault", "quarantine"))
        self._splitter = Splitter(contract, key)
        self.still_bad = 0

    def _table(self, layer: str) -> DeltaTable:
        table = open_table(self._lake, self._contract, layer)
        if table is None:
            raise CheckFailed(f"{self._contract.key}: there is no {layer} table, so there is nothing to replay")
        return table

    def earlier(self) -> Iterator[Replay]:
        """Every replay of before, those that were cut short finished now."""
        for replay_id in replays(self._lake, self._contract):
            yield from self._finish(replay_id)

    def replay(self, selection: Selection, patch: Patch = NO_PATCH) -> Iterator[Replay]:
        """Judge the open records of the selection again, as the patch repairs them; land those that are good now."""
        after = (-1, -1)
        # What quarantine holds above landed's position after a crash is the sink's to finish.
        below = landed_positions(self._lake, self._contract)
        while rows := self._next(selection, below, after):
            after = (rows["kafka_partition"][-1].as_py(), rows["kafka_offset"][-1].as_py())
            good = self._split(rows, patch).landed
            self.still_bad += rows.num_rows - good.num_rows
            if good.num_rows:
                replay_id = f"{self._hash}-{secrets.token_hex(6)}"
                marked = Decision("replayed", replay_id, patch.text, self._who, datetime.now(UTC))
                decide(self._quarantine, offsets_of(good), "open", marked, names.replay_app(replay_id))
                yield from self._finish(replay_id)

    def _next(self, selection: Selection, below: dict[int, int], after: tuple[int, int]) -> pa.Table | None:
        rows = open_rows(self._lake, self._contract, selection, below, after, _ROWS)
        return rows if rows.num_rows else None

    @property
    def _hash(self) -> str:
        """Stands in a replay's id, so that it is known by which rules the replay was begun."""
        return self._splitter.rules_hash[:_HASH_DIGITS]

    def _split(self, rows: pa.Table, patch: Patch) -> Split:
        batch = rows.select(BATCH.names).cast(BATCH)
        place = BATCH.get_field_index("value")
        return self._splitter.split(batch.set_column(place, BATCH.field(place), patch.applied(batch["value"])))

    def _finish(self, replay_id: str) -> Iterator[Replay]:
        """Land what the replay has marked, unless that is done."""
        app = names.replay_app(replay_id)
        self._landed.update_incremental()
        version = self._landed.transaction_version(app)
        marked = rows_of_replay(self._lake, self._contract, replay_id)
        is_new = version is None
        if version is None:
            split = self._still_good(replay_id, marked)
            if split.landed.num_rows == 0:
                return
            metadata = {"rules_hash": self._splitter.rules_hash, "replay": replay_id}
            if split.vault.num_rows:
                append_once(self._vault, split.vault, app, metadata)
            version = append_once(self._landed, split.landed, app, metadata)
            marked = split.landed
        yield Replay(replay_id, version, offsets_of(marked), is_new)

    def _still_good(self, replay_id: str, marked: pa.Table) -> Split:
        """The marked rows, split; rows that the rules of today break after all go back to open.

        Raises CheckFailed when the vault was written by other rules: the rest must follow by the same.
        """
        patches = marked["patch"].unique().to_pylist()  # one at most: all were marked by one commit
        split = self._split(marked, Patch.of(patches[0] if patches else None))
        if replay_id.startswith(self._hash):
            return split
        self._vault.update_incremental()
        if self._vault.transaction_version(names.replay_app(replay_id)) is not None:
            raise CheckFailed(
                f"{self._contract.key}: replay {replay_id} has written the vault by other rules than today's "
                f"({self._hash}) and not yet landed. Put that contract and program version back, run datacentre "
                f"quarantine replay {self._contract.key}, then change them"
            )
        if split.quarantine.num_rows:
            reopened = f"{names.replay_app(replay_id)}/reopened/{self._hash}"
            decide(self._quarantine, offsets_of(split.quarantine), "replayed", Decision("open"), reopened)
        return split


@contextmanager
def only_replay(lake: Path, key: str) -> Iterator[None]:
    """Hold the stream's replays; raises SourceUnavailable while another process does."""
    with locked_if_free(lake / "locks" / f"replay.{key}") as is_free:
        if not is_free:
            raise SourceUnavailable(f"{key}: another replay is running; try again when it is done")
        yield
