"""Split the records of a Kafka record batch into columns (numba, nopython).

The format is Kafka's message format 2: https://kafka.apache.org/documentation/#recordbatch
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def spans(data, pos, offset_deltas, time_deltas, key_starts, key_ends, value_starts, value_ends):
    """Fill one entry per record; a start of -1 tells a null. Returns the position after the last record, or -1
    where the bytes are no records. `data` is uint8, `pos` the position of the first record."""
    end = len(data)
    for n in range(len(offset_deltas)):
        length, pos = _varint(data, pos, end)
        stop = pos + length
        if pos < 0 or length < 0 or stop > end:
            return -1
        pos += 1  # attributes: none are in use
        time_deltas[n], pos = _varint(data, pos, stop)
        if pos < 0:
            return -1
        offset_deltas[n], pos = _varint(data, pos, stop)
        if pos < 0:
            return -1
        key_starts[n], key_ends[n], pos = _span(data, pos, stop)
        if pos < 0:
            return -1
        value_starts[n], value_ends[n], pos = _span(data, pos, stop)
        if pos < 0:
            return -1
        headers, pos = _varint(data, pos, stop)
        if pos < 0 or headers < 0 or (headers == 0 and pos != stop):
            return -1
        pos = stop
    return pos


@njit(cache=True, nogil=True)
def _varint(data, pos, end):
    """A zigzag varint and the position after it; position -1 where there is none."""
    value = np.uint64(0)
    shift = np.uint64(0)
    while 0 <= pos < end and shift < 70:
        byte = np.uint64(data[pos])
        pos += 1
        value |= (byte & np.uint64(127)) << shift
        if byte < 128:
            return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), np.int64(pos)
        shift += np.uint64(7)
    return np.int64(0), np.int64(-1)


@njit(cache=True, nogil=True)
def _span(data, pos, end):
    """Start and end of length-prefixed bytes, and the position after them; start -1 for null."""
    length, pos = _varint(data, pos, end)
    if pos < 0 or pos + max(length, 0) > end:
        return np.int64(-1), np.int64(-1), np.int64(-1)
    if length < 0:
        return np.int64(-1), np.int64(-1), pos
    return pos, pos + length, pos + length
