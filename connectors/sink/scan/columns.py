"""From the pass's spans and values to Arrow columns."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.sink.arrays import bits, booleans, fixed
from connectors.sink.scan import kernel, kinds
from connectors.sink.scan.plan import ScanPlan, kind
from datacentre.contracts.columns import field_type

_ITEMS_PER_ROW = 8


@dataclass(frozen=True)
class _Bytes:
    """A binary column's bytes and the n + 1 offsets into them."""

    data: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> "_Bytes":
        array = column.combine_chunks()
        _, offsets, data = array.buffers()
        ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
        return cls(np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8), ends)


class _Workspace:
    """What the pass fills, kept from batch to batch so that the system need not give fresh pages each time."""

    def __init__(self, plan: ScanPlan, rows: int):
        fields, found = len(plan.fields), {kind(f) for f in plan.fields}
        has_lists, has_floats = bool(found & {kinds.STRINGS, kinds.INTEGERS}), kinds.NUMBER in found
        self.rows = rows
        self.present = np.zeros((fields, rows), np.bool_)
        self.starts = np.zeros((fields, rows), np.int32)
        self.ends = np.zeros((fields, rows), np.int32)
        self.ints = np.zeros((fields, rows), np.int64)
        self.floats = np.zeros((fields, rows if has_floats else 0), np.float64)
        self.item_rows = np.zeros((fields, rows if has_lists else 0), np.int32)
        self.items = np.zeros((4, rows * _ITEMS_PER_ROW if has_lists else 0), np.int64)


class Scanner:
    """Finds the surely good records of one contract version. Not safe for several threads."""

    def __init__(self, plan: ScanPlan):
        self._plan = plan
        self._space = _Workspace(plan, 0)

    def good(self, batch: pa.Table) -> tuple[np.ndarray, pa.Table]:
        """Which rows of `batch` (as of `Batch.table`) are surely good, and the typed fields of those, in order."""
        count = batch.num_rows
        if self._space.rows < count:
            self._space = _Workspace(self._plan, count)
        space = self._space
        values, keys = _Bytes.of(batch["value"]), _Bytes.of(batch["record_key"])
        good = np.zeros(count, np.bool_)
        space.present[:, :count] = False
        used = kernel.scan(
            self._plan.arrays,
            values.data,
            values.offsets,
            keys.data,
            keys.offsets,
            _is_null(batch["value"]) | _is_null(batch["record_key"]),
            good,
            space.present,
            space.starts,
            space.ends,
            space.ints,
            space.floats,
            space.items,
            space.item_rows,
        )
        rows = np.flatnonzero(good)
        names = [f.name for f in self._plan.fields]
        return good, pa.Table.from_arrays(list(self._columns(values.data, rows, used)), names)

    def _columns(self, data: np.ndarray, rows: np.ndarray, used: int) -> Iterator[pa.Array]:
        space = self._space
        for n, field in enumerate(self._plan.fields):
            present = space.present[n][rows]
            if not present.any():
                yield pa.nulls(len(rows), field_type(field))
                continue
            match kind(field):
                case kinds.STRING:
                    yield _texts(data, space.starts[n], space.ends[n], space.present[n], rows)
                case kinds.STRINGS | kinds.INTEGERS:
                    yield self._lists(n, data, rows, used)
                case kinds.NUMBER:
                    yield fixed(pa.float64(), space.floats[n][rows], present)
                case kinds.BOOLEAN:
                    yield booleans(space.ints[n][rows].astype(np.bool_), present)
                case kinds.DATE:
                    yield fixed(pa.date32(), space.ints[n][rows].astype(np.int32), present)
                case _:
                    yield fixed(field_type(field), space.ints[n][rows], present)

    def _lists(self, n: int, data: np.ndarray, rows: np.ndarray, used: int) -> pa.Array:
        space = self._space
        present = space.present[n][rows]
        counts = np.where(present, space.item_rows[n][rows], 0)
        own = space.items[:, :used][:, space.items[0, :used] == n]
        if kind(self._plan.fields[n]) == kinds.STRINGS:
            every = np.arange(own.shape[1])
            items = _texts(data, own[1], own[2], np.ones(own.shape[1], np.bool_), every)
        else:
            items = fixed(pa.int64(), own[3])
        ends = pa.py_buffer(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
        return pa.Array.from_buffers(pa.list_(items.type), len(rows), [bits(present), ends], children=[items])


def _is_null(column: pa.ChunkedArray) -> np.ndarray:
    if column.null_count == 0:
        return np.zeros(len(column), np.bool_)
    return np.asarray(pc.is_null(column).to_numpy())


def _texts(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, present: np.ndarray, rows: np.ndarray) -> pa.Array:
    offsets = np.empty(len(rows) + 1, np.int32)
    gathered = kernel.gather(data, starts, ends, present, rows, offsets)
    return pa.StringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(gathered), bits(present[rows]))
