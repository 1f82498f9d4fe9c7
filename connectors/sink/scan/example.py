"""One small batch through the pass, so that all of it is compiled for the types that the sink uses."""

import numpy as np
import pyarrow as pa

from connectors.sink.scan.columns import Scanner
from connectors.sink.scan.plan import ScanPlan
from datacentre.contracts import Field

_FIELDS = (
    Field("id", "string", "", required=True, pattern="^[0-9]{1,9}$"),
    Field("members", "array", "", item_type="string"),
    Field("counts", "array", "", item_type="integer"),
    Field("amount", "number", ""),
)
_RECORD = b'{"id":"1","members":["a"],"counts":[1],"amount":1.5}'


def run_example() -> None:
    batch = pa.table({"record_key": _binary(b"1"), "value": _binary(_RECORD)})
    good, fields = Scanner(ScanPlan(_FIELDS, kafka_key="id", schema_tag="example@1.0.0")).good(batch)
    if not good.all() or fields.to_pylist() != [{"id": "1", "members": ["a"], "counts": [1], "amount": 1.5}]:
        raise AssertionError(f"the compiled pass reads its example as {fields.to_pylist()}")


def _binary(value: bytes) -> pa.Array:
    ends = pa.py_buffer(np.array([0, len(value)], np.int32))
    return pa.BinaryArray.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(value)])
