"""Decode records that have landed before once more, and put right what comes out differently.

What somebody has decided stays: a dismissed record stays dismissed, a replayed one is decoded with its repair and stays
as it is where that is refused today. What vault and quarantine gain comes first, then landed, then what they lose: no
record is missing in between, and whatever ends there, the same backfill run again finds what is left to do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.sink.patch import Patch
from connectors.sink.split import Split, Splitter
from datacentre.contracts import Contract
from datacentre.contracts.columns import table_schema
from datacentre.crash_points import reach
from datacentre.errors import CheckFailed
from datacentre.pseudonym import PseudonymKey
from lake.offsets import held_offsets
from lake.replace import Range, differing, replace_rows, rows_within
from lake.rewrite import Offsets, is_at
from lake.tables import LAYERS, open_table

_BY_WHICH_CONTRACT = ("contract_version", "contract_hash")


Withdraw = Callable[[Offsets, int], None]
"""Called with the offsets whose landed rows change, and the version of landed up to which nothing certifies them."""


@dataclass(frozen=True)
class Redone:
    """What a range came to: records read, and how many rows of `landed` and of `quarantine` came out differently."""

    records: int
    landed: int
    quarantined: int


@dataclass(frozen=True)
class _Change:
    """Offsets at which a table gains or changes rows, those at which it loses them, and all rows it should have."""

    gained: np.ndarray
    lost: np.ndarray
    wanted: pa.Table


class Backfill:
    """Decodes ranges of one stream anew. Nobody else may replay or backfill the stream meanwhile."""

    def __init__(self, lake: Path, contract: Contract, key: PseudonymKey):
        """Raises CheckFailed when the stream has never landed."""
        self._lake, self._contract = lake, contract
        self._tables = {layer: table for layer in LAYERS if (table := open_table(lake, contract, layer))}
        if len(self._tables) < len(LAYERS):
            raise CheckFailed(f"{contract.key}: has never landed, so there is nothing to backfill")
        self._splitter = Splitter(contract, key)

    def redo(self, records: pa.Table, place: Range, withdraw: Withdraw) -> Redone:
        """`records` are all that the topic has in the range.

        Certificates are withdrawn before rows change, so that nobody builds on new rows under an old one, and after it,
        for those that a check has given in between.
        """
        held = {layer: self._held(layer, place) for layer in LAYERS}
        wanted, left = self._decoded(records, held["quarantine"])
        beside = self._beside(held, wanted, left)
        for layer, change in beside.items():
            self._replace(layer, place, change.gained, change.wanted, "new")
        good = differing(_but(held["landed"], left), wanted.landed)
        if len(good):
            self._tables["landed"].update_incremental()
            withdraw({place[0]: good}, self._tables["landed"].version() + 1)
            withdraw({place[0]: good}, self._replace("landed", place, good, wanted.landed, "all"))
        for layer, change in beside.items():
            self._replace(layer, place, change.lost, change.wanted, "old")
        bad = beside["quarantine"]
        return Redone(records.num_rows, len(good), len(bad.gained) + len(bad.lost))

    def _beside(self, held: Mapping[str, pa.Table], wanted: Split, left: np.ndarray) -> dict[str, _Change]:
        """What is to happen beside landed; `left` are the offsets at which all stays as it is."""
        is_open = pc.equal(held["quarantine"]["status"], "open")
        vault = self._without_forgotten(wanted.vault, held["vault"])
        return {
            "vault": _change(_but(held["vault"], left), vault),
            "quarantine": _change(held["quarantine"].filter(is_open), wanted.quarantine, _BY_WHICH_CONTRACT),
        }

    def _replace(self, layer: str, place: Range, offsets: np.ndarray, wanted: pa.Table, what: str) -> int:
        version = replace_rows(self._tables[layer], {place[0]: offsets}, wanted) if len(offsets) else 0
        reach(f"after_backfill_{layer}_{what}")
        return version

    def _held(self, layer: str, place: Range) -> pa.Table:
        return rows_within(self._lake, self._contract, layer, table_schema(self._contract, layer), place)

    def _decoded(self, records: pa.Table, quarantine: pa.Table) -> tuple[Split, np.ndarray]:
        """What the records are by today's rules, and the offsets at which all stays as it is."""
        dismissed = _offsets(quarantine, "dismissed")
        replayed = quarantine.filter(pc.equal(quarantine["status"], "replayed"))
        splits = [self._splitter.split(_but(records, _offsets(quarantine, "dismissed", "replayed")))]
        for patch in pc.unique(replayed["patch"]).to_pylist():
            of_patch = pc.equal(replayed["patch"], patch) if patch else pc.is_null(replayed["patch"])
            offsets = replayed.filter(of_patch)["kafka_offset"].to_numpy()
            splits.append(self._splitter.split(_patched(_only(records, offsets), Patch.of(patch))))
        refused = np.concatenate([dismissed, *(s.quarantine["kafka_offset"].to_numpy() for s in splits[1:])])
        landed, vault = (pa.concat_tables([getattr(s, layer) for s in splits]) for layer in ("landed", "vault"))
        return Split(landed, vault, splits[0].quarantine), refused

    def _without_forgotten(self, wanted: pa.Table, held: pa.Table) -> pa.Table:
        """The vault has forgotten rows whose key was deleted since; they don't come back."""
        deleted = held_offsets(self._lake, self._contract, "deleted") if self._contract.deletes_by_key else {}
        is_gone = pc.and_(is_at(wanted, deleted), pc.invert(pc.is_in(wanted["kafka_offset"], held["kafka_offset"])))
        return wanted.filter(pc.invert(is_gone))


def _offsets(rows: pa.Table, *status: str) -> np.ndarray:
    decided = rows.filter(pc.is_in(rows["status"], pa.array(status)))
    return np.asarray(decided["kafka_offset"].to_numpy(), dtype=np.int64)


def _change(held: pa.Table, wanted: pa.Table, ignored: tuple[str, ...] = ()) -> _Change:
    offsets = differing(held, wanted, ignored)
    is_wanted = np.isin(offsets, wanted["kafka_offset"].to_numpy())
    return _Change(offsets[is_wanted], offsets[~is_wanted], wanted)


def _only(rows: pa.Table, offsets: np.ndarray) -> pa.Table:
    return rows.filter(pc.is_in(rows["kafka_offset"], pa.array(offsets, pa.int64())))


def _but(rows: pa.Table, offsets: np.ndarray) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows["kafka_offset"], pa.array(offsets, pa.int64()))))


def _patched(records: pa.Table, patch: Patch) -> pa.Table:
    place = records.schema.get_field_index("value")
    return records.set_column(place, records.schema.field(place), patch.applied(records["value"]))
