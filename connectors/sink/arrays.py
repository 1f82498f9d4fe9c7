"""Arrow arrays over the memory of numpy arrays."""

import numpy as np
import pyarrow as pa


def fixed(kind: pa.DataType, values: np.ndarray, present: np.ndarray | None = None) -> pa.Array:
    """An Arrow array over the memory of `values`, whose width must be that of `kind`; null where not `present`."""
    validity = None if present is None else bits(present)
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(np.ascontiguousarray(values))])


def booleans(values: np.ndarray, present: np.ndarray | None = None) -> pa.Array:
    validity = None if present is None else bits(present)
    return pa.Array.from_buffers(pa.bool_(), len(values), [validity, _packed(values)])


def binary(data: np.ndarray, ends: np.ndarray, present: np.ndarray) -> pa.Array:
    """Byte strings that lie one behind the other in `data`; `ends` (int32) has one more, the first 0."""
    buffers = [bits(present), pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(present), buffers)


def bits(present: np.ndarray) -> pa.Buffer | None:
    """A validity bitmap; None, as Arrow has it, where nothing is null."""
    return None if present.all() else _packed(present)


def _packed(values: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
