"""One small batch through the pass, so that all of it is compiled for the types that the sink uses."""

import numpy as np
import pyarrow as pa

from connectors.sink.scan.columns import Scanner
from connectors.sink.scan.plan import ScanPlan
from connectors.sink.scan.pseudonyms import Pseudonyms
from datacentre.contracts import Field
from datacentre.pseudonym import PseudonymKey

_FIELDS = (
    Field("id", "string", "", required=True, pattern="^[0-9]{1,9}$"),
    Field("members", "array", "", item_type="string"),
    Field("counts", "array", "", item_type="integer"),
    Field("amount", "number", ""),
)
# RFC 4231, test case 1, with the key padded as HMAC pads it.
_KEY, _TEXT = PseudonymKey("example", b"\x0b" * 20), b"Hi There"
_PSEUDONYM = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
_RECORD = b'{"id":"1","members":["a"],"counts":[1],"amount":1.5}'


def run_example() -> None:
    batch = pa.table({"record_key": _binary(b"1"), "value": _binary(_RECORD)})
    good, fields = Scanner(ScanPlan(_FIELDS, kafka_key="id", schema_tag="example@1.0.0")).good(batch)
    if not good.all() or fields.to_pylist() != [{"id": "1", "members": ["a"], "counts": [1], "amount": 1.5}]:
        raise AssertionError(f"the compiled pass reads its example as {fields.to_pylist()}")
    texts = _binary(_TEXT).cast(pa.string())
    if Pseudonyms(_KEY).of(texts).to_pylist() != [_PSEUDONYM]:
        raise AssertionError("the compiled pass computes another HMAC-SHA256 than RFC 4231")


def _binary(value: bytes) -> pa.Array:
    ends = pa.py_buffer(np.array([0, len(value)], np.int32))
    return pa.BinaryArray.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(value)])
