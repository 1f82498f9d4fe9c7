"""OpenSSL's SHA-256 block function, made known to LLVM by its name."""

import ctypes

import llvmlite.binding as llvm

BLOCK_FUNCTION = "SHA256_Transform"
CONTEXT_BYTES = 112  # SHA256_CTX; the state is its first eight 32-bit words


def _loaded() -> ctypes.CDLL | None:
    """The OpenSSL that Python's hashlib has loaded; None where there is none, or it doesn't show the function."""
    try:
        import _hashlib

        found = ctypes.CDLL(_hashlib.__file__)
        llvm.add_symbol(BLOCK_FUNCTION, ctypes.cast(getattr(found, BLOCK_FUNCTION), ctypes.c_void_p).value)
    except (ImportError, AttributeError, OSError):
        return None
    return found


library = _loaded()
