"""What a column says of a person: all that comparing and blocking know of a data set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import pyarrow as pa
import pyarrow.compute as pc

from datacentre.errors import ContractError

RECORD_ID = "record_id"
TOKENS = "name_tokens"
PAIRED = "paired"


@dataclass(frozen=True)
class Roles:
    """Column by role; None where a data set has none.

    `given_name` and `surname` may come in the wrong order, or be empty; `full_name` is the name as it was written.
    `birth_date` is text that begins with the year, as `2026-11-25` or `20261125`. `place` is a name of where somebody
    lives or was born, `area_code` a short code of it. `street` and `locality` are two lines of an address, which may
    come in the wrong order, `house_number` its number. `contact` is a phone number or mail address,
    `local_number` what one sender knows the person by.
    """

    given_name: str | None = None
    surname: str | None = None
    full_name: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    place: str | None = None
    area_code: str | None = None
    street: str | None = None
    locality: str | None = None
    house_number: str | None = None
    region: str | None = None
    occupation: str | None = None
    contact: str | None = None
    local_number: str | None = None

    @property
    def given(self) -> frozenset[str]:
        """The roles that this data set has a column for."""
        return frozenset(role for role in ROLES if getattr(self, role) is not None)


ROLES = tuple(field.name for field in fields(Roles))


def columns(table: pa.Table, record_id: str, roles: Roles, spelling: Callable[[str], str] = str) -> pa.Table:
    """`record_id` and one text column per role that is given, trimmed and in small letters, empty as null.

    `full_name` is made of the two names where the data set has none, and `name_tokens` are its words in one `spelling`,
    sorted. Raises ContractError naming a column that isn't there.
    """
    wanted = {RECORD_ID: record_id} | {role: getattr(roles, role) for role in ROLES if role in roles.given}
    if missing := sorted(set(wanted.values()) - set(table.column_names)):
        raise ContractError(f"no column {', '.join(missing)} to link by; there are {', '.join(table.column_names)}")
    found = {role: _text(table[column]) for role, column in wanted.items()}
    found[RECORD_ID] = table[record_id].cast(pa.string())
    if "full_name" not in found and {"given_name", "surname"} <= found.keys():
        found["full_name"] = _joined(found)
    if "full_name" in found:
        found[TOKENS] = _words(found["full_name"], spelling)
    return pa.table(dict(found))


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = pc.utf8_lower(pc.utf8_trim_whitespace(column.cast(pa.string())))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _joined(found: Mapping[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    pairs = zip(found["given_name"].to_pylist(), found["surname"].to_pylist(), strict=True)
    return pa.chunked_array([pa.array([" ".join(filter(None, pair)) or None for pair in pairs], pa.string())])


def _words(names: pa.ChunkedArray, spelling: Callable[[str], str]) -> pa.ChunkedArray:
    plain = pc.replace_substring_regex(names, r"[^\p{L}\p{N}]+", " ")
    split = [None if name is None else sorted({spelling(word) for word in name.split()}) for name in plain.to_pylist()]
    return pa.chunked_array([pa.array(split, pa.list_(pa.string()))])
