"""A repair of records that were mapped wrongly: fields renamed, codes replaced by others; nothing else."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from datacentre.contracts import Contract
from datacentre.errors import ContractError
from datacentre.located_yaml import read_located


@dataclass(frozen=True)
class Patch:
    """`rename` from wrong to right field names; `codes` by right field name, from wrong to right value."""

    rename: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str | None) -> "Patch":
        """The patch that `text` was written of; an empty one for None."""
        return cls(**json.loads(text)) if text else NO_PATCH

    @property
    def text(self) -> str | None:
        """As JSON, to stand on the rows that were landed by it; None for a patch that changes nothing."""
        return json.dumps(asdict(self), sort_keys=True) if self.rename or self.codes else None

    def applied(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """The messages with the repair made; one that it doesn't touch keeps its bytes."""
        if self.text is None:
            return values
        return pa.chunked_array([pa.array([self._repaired(v) for v in values.to_pylist()], pa.binary())])

    def _repaired(self, value: bytes | None) -> bytes | None:
        try:
            record = json.loads(value or b"", object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError):
            return value
        if not isinstance(record, dict):
            return value
        names = {name: self.rename.get(name, name) for name in record}
        if len(set(names.values())) < len(names):  # the right field is there already
            return value
        repaired = {right: self._code(right, record[name]) for name, right in names.items()}
        return value if repaired == record else json.dumps(repaired, ensure_ascii=False).encode(errors="surrogatepass")

    def _code(self, name: str, item: Any) -> Any:
        codes = self.codes.get(name, {})
        if isinstance(item, list):
            return [codes.get(i, i) if isinstance(i, str) else i for i in item]
        return codes.get(item, item) if isinstance(item, str) else item


NO_PATCH = Patch()


def read_patch(file: Path, contract: Contract) -> Patch:
    """A patch as YAML: `rename: {wrong_name: right_name}` and `codes: {field: {wrong: right}}`.

    Raises ContractError naming file, line and what is wrong.
    """
    located = read_located(file)
    document = located.value
    if not isinstance(document, dict) or not document or set(document) - {"rename", "codes"}:
        raise ContractError(f"{file}: a patch has `rename`, `codes` or both, and nothing else")
    known = {f.name for f in contract.fields}
    for part, named in (("rename", "values"), ("codes", "keys")):
        entries = document.get(part, {})
        if not isinstance(entries, dict):
            raise located.error((part,), "must be a mapping")
        unknown = sorted({str(n) for n in getattr(entries, named)()} - known)
        if unknown:
            raise located.error((part,), f"{contract.key} has no field {', '.join(unknown)}")
    for name, codes in document.get("codes", {}).items():
        if not isinstance(codes, dict) or not all(isinstance(c, str) for pair in codes.items() for c in pair):
            raise located.error(("codes", name), "must map texts to texts; quote what reads as a number or a date")
    return Patch(document.get("rename", {}), document.get("codes", {}))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError for a name that stands twice: a repair must not hide it."""
    if repeated := [name for name, times in Counter(n for n, _ in pairs).items() if times > 1]:
        raise ValueError(repeated)
    return dict(pairs)
