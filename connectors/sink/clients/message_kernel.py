"""Read librdkafka's messages into columns (numba, nopython): no Python object per message.

A message is the public C struct `rd_kafka_message_t` (rdkafka.h): error code, topic, partition, payload and its
length, key and its length, offset. The library's symbols
have to be known to LLVM before a function runs, see `message_queue`.
"""

from typing import Any

import llvmlite.ir as ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_ERROR, _PARTITION, _VALUE, _VALUE_SIZE, _KEY, _KEY_SIZE, _OFFSET = 0, 16, 24, 32, 40, 48, 56

_timestamp: Any = types.ExternalFunction("rd_kafka_message_timestamp", types.int64(types.uintp, types.uintp))
_destroy: Any = types.ExternalFunction("rd_kafka_message_destroy", types.void(types.uintp))


def _loader(width, result):
    """A function of (address, distance) that reads a number of `width` bits there."""

    @intrinsic
    def load(typingctx, address, distance):
        def code(context, builder, signature, arguments):
            place = builder.add(arguments[0], arguments[1])
            return builder.load(builder.inttoptr(place, ir.IntType(width).as_pointer()))

        return result(types.uintp, types.uintp), code

    return load


_load32, _load64 = _loader(32, types.int32), _loader(64, types.int64)


def _copier():
    """A function of (target, source, size) that copies bytes."""

    @intrinsic
    def copy(typingctx, target, source, size):
        def code(context, builder, signature, arguments):
            to, start = (builder.inttoptr(place, ir.IntType(8).as_pointer()) for place in arguments[:2])
            cgutils.raw_memcpy(builder, to, start, arguments[2], 1)
            return context.get_dummy_value()

        return types.void(types.uintp, types.uintp, types.int64), code

    return copy


_copy: Any = _copier()


@njit(
    "void(uintp[::1], int32[::1], int32[::1], int64[::1], int64[::1], "
    "boolean[::1], boolean[::1], int32[::1], int32[::1])",
    cache=True,
    nogil=True,
)
def describe(messages, errors, partitions, offsets, times, has_key, has_value, key_ends, value_ends):
    """Fill one entry per message; the ends have one more, the first 0, and tell how much `take` will copy.
    `errors` has 0 for a record."""
    keys = values = 0
    key_ends[0] = value_ends[0] = 0
    for n, message in enumerate(messages):
        errors[n] = _load32(message, _ERROR)
        partitions[n] = _load32(message, _PARTITION)
        offsets[n] = _load64(message, _OFFSET)
        times[n] = _timestamp(message, 0)
        has_key[n] = _load64(message, _KEY) != 0
        has_value[n] = _load64(message, _VALUE) != 0
        if has_key[n]:
            keys += _load64(message, _KEY_SIZE)
        if has_value[n] and errors[n] == 0:  # the payload of an error is its text
            values += _load64(message, _VALUE_SIZE)
        key_ends[n + 1], value_ends[n + 1] = keys, values


@njit("void(uintp[::1], int32[::1], int32[::1], uint8[::1], uint8[::1])", cache=True, nogil=True)
def take(messages, key_ends, value_ends, keys, values):
    """Copy keys and values, and give the messages back to the library."""
    for n, message in enumerate(messages):
        key_size, value_size = key_ends[n + 1] - key_ends[n], value_ends[n + 1] - value_ends[n]
        if key_size:
            _copy(keys.ctypes.data + key_ends[n], _load64(message, _KEY), key_size)
        if value_size:
            _copy(values.ctypes.data + value_ends[n], _load64(message, _VALUE), value_size)
        _destroy(message)
