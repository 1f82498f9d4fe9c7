"""Answers that are sent piece by piece."""

from collections.abc import AsyncIterator, Iterable, Mapping

import pyarrow as pa
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse

from sharing.formats import MEDIA_TYPES, encoded


def rows_response(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], form: str, headers: Mapping[str, str]
) -> StreamingResponse:
    """The rows in the form csv, parquet or arrow; they are read in a thread while the answer goes out."""

    async def pieces() -> AsyncIterator[bytes | memoryview]:
        async for together in iterate_in_threadpool(encoded(schema, batches, form)):
            for piece in together:
                yield piece

    return StreamingResponse(pieces(), headers=headers, media_type=MEDIA_TYPES[form])
