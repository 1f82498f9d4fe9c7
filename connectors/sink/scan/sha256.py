"""HMAC-SHA256 over a whole column (numba, nopython), with OpenSSL's block function doing the hashing.

Both padded keys are hashed once for all (RFC 2104, section 4), so that a short value costs two blocks. Not to
be imported where `openssl.library` is None.
"""

from typing import Any

import numpy as np
from numba import njit, types

from connectors.sink.scan.openssl import BLOCK_FUNCTION, CONTEXT_BYTES

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_BLOCK = 64
_DIGEST = 32
_END = 0x80  # the bit after the message (FIPS 180-4, section 5.1.1)
_CONTEXT_WORDS = CONTEXT_BYTES // 4

_hash_block: Any = types.ExternalFunction(BLOCK_FUNCTION, types.void(types.uintp, types.uintp))


def _read_only(kind: types.Type) -> types.Array:
    return types.Array(kind, 1, "C", readonly=True)  # takes writable arrays too


_COLUMN = (_read_only(types.uint8), _read_only(types.int32))
_STATE = _read_only(types.uint32)


@njit(types.void(*_COLUMN, _STATE, _STATE, types.uint8[::1]), cache=True, nogil=True)
def hmac_hex(data, ends, inner, outer, out):
    """Fill 64 hexadecimal digits of `out` per value; `ends` has one more than there are values.

    `inner` and `outer` are the states after the padded keys, eight words each.
    """
    context = np.zeros(_CONTEXT_WORDS, np.uint32)
    block = np.zeros(_BLOCK, np.uint8)
    digest = np.zeros(_BLOCK, np.uint8)
    digest[_DIGEST] = _END
    digest[_BLOCK - 2] = (_BLOCK + _DIGEST) * 8 >> 8
    context_at, block_at, digest_at = context.ctypes.data, block.ctypes.data, digest.ctypes.data
    for n in range(len(ends) - 1):
        context[:8] = inner
        at, left = ends[n], ends[n + 1] - ends[n]
        bits = (_BLOCK + left) * 8
        while left >= _BLOCK:
            block[:] = data[at : at + _BLOCK]
            _hash_block(context_at, block_at)
            at += _BLOCK
            left -= _BLOCK
        for k in range(left):
            block[k] = data[at + k]
        block[left] = _END
        block[left + 1 :] = 0
        if left >= _BLOCK - 8:  # no room for the length
            _hash_block(context_at, block_at)
            block[:] = 0
        for k in range(4):
            block[_BLOCK - 1 - k] = (bits >> 8 * k) & 255
        _hash_block(context_at, block_at)
        for word in range(8):
            for k in range(4):
                digest[word * 4 + k] = (context[word] >> (24 - 8 * k)) & 255
        context[:8] = outer
        _hash_block(context_at, digest_at)
        for word in range(8):
            for k in range(8):
                out[n * 64 + word * 8 + k] = _HEX[(context[word] >> (28 - 4 * k)) & 15]
