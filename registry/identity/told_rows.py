"""Statements brought to one form to be compared, and the keys by which those that may be alike are found."""

import re
from collections.abc import Sequence
from functools import lru_cache

import duckdb
import pyarrow as pa

from registry.golden.derive import ORDER
from registry.linkage.roles import ROLES, TOKENS, Roles
from registry.linkage.romanisation import name_key

REGISTRY_ROLES = Roles(
    full_name="full_name", birth_date="birth_date", sex="sex", contact="contact", local_number="local_number"
)
"""What of a statement is compared: `contact` is the phone's last eight digits, `local_number` names its stream too."""
COMPARED = (*(role for role in ROLES if role in REGISTRY_ROLES.given), TOKENS)
SUBJECT = "(hash({}) >> 1)::bigint"
"""The number of a person in the tables of keys; the shelf of statements has the same."""

_WORD = re.compile(r"[^\W_]+")
BIRTHDAY_KEYS = ("'t', birth_date, unnest(name_tokens)", "'s', birth_date, sex, left(full_name, 2)")
ROUGH_KEYS = (
    "'y', array_to_string(name_tokens, ' '), left(birth_date, 4)",
    "'d', array_to_string(name_tokens, ' '), right(birth_date, 5)",
)
NAME_KEYS = (*BIRTHDAY_KEYS, *ROUGH_KEYS)
AGREEING_KEYS = ("'b', birth_date", "'n', array_to_string(name_tokens, ' ')")
LOCAL_KEYS = ("'c', contact", "'l', local_number")
"""Nobody is found by `AGREEING_KEYS`: who shares one with what is registered under her number doesn't contradict it."""
_key_of = lru_cache(maxsize=100_000)(name_key)


def tell(connection: duckdb.DuckDBPyConnection, statements: str, target: str) -> None:
    """Make a table: each of the statements with whom it speaks of and what is compared, in one form."""
    names = [name for (name,) in connection.execute(f"select distinct lower(full_name) from {statements}").fetchall()]
    tokens = [sorted({_key_of(word) for word in _WORD.findall(name)}) if name else None for name in names]
    spelt = pa.table({"name": pa.array(names, pa.string()), TOKENS: pa.array(tokens, pa.list_(pa.string()))})
    connection.register("spelt", spelt)
    connection.execute(
        f"""create or replace temp table {target} as
        select record_hash, named_as, stream_key, kafka_partition, kafka_offset, person_key, resolved_key, is_confirmed,
            source, event_id, event_date, event_time, lower(trim(full_name)) as full_name, name_tokens,
            birth_date::text as birth_date, left(lower(sex), 1) as sex,
            nullif(right(regexp_replace(phone, '[^0-9]', '', 'g'), 8), '') as contact,
            stream_key || ':' || hospital_number as local_number
        from {statements} left join spelt on spelt.name = lower(full_name)
        where list_position = 0"""
    )
    connection.unregister("spelt")


def note_known(connection: duckdb.DuckDBPyConnection) -> None:
    """`known_person`: the registered among whom `told` speaks of, so that the large table is read once."""
    connection.execute(
        """create or replace temp table known_person as
        with named as (select person_key from told union select resolved_key from told), known as (
            select person_hash from registered where person_hash in (select hash(person_key) from named)
        )
        select person_key from named where hash(person_key) in (from known)"""
    )


def summed_up(rows: str, by: str) -> str:
    """SQL of one row per value of `by`: the newest that was said of each thing, of what is confirmed where there is."""
    newest = ", ".join(f"arg_max({c}, row(is_firm, {ORDER.format('')})) as {c}" for c in COMPARED)
    return f"select {by}, {newest} from {rows} group by {by}"


def block_keys(rows: str, of: str, kinds: Sequence[str] = (*NAME_KEYS, *LOCAL_KEYS)) -> str:
    """SQL of `key` and `of`: rows that share a key are looked at together."""
    parts = (f"select {of}, {_hashed(kind)} from {rows} where {_is_told(kind)}" for kind in kinds)
    return f"select distinct {of}, hash(k) as key from ({' union all '.join(parts)})"


def _hashed(kind: str) -> str:
    return f"concat_ws('/', {kind}) as k"


def _is_told(kind: str) -> str:
    columns = [c for c in COMPARED if c in kind]
    return " and ".join(f"{column} is not null" for column in columns)
