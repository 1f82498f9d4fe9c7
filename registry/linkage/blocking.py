"""Which pairs are looked at: those that agree in one of these things, for all pairs are too many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
from splink import block_on
from splink.blocking_rule_library import CustomRule
from splink.internals.blocking_rule_creator import BlockingRuleCreator

from registry.linkage.roles import PAIRED, RECORD_ID, TOKENS, Roles


@dataclass(frozen=True)
class Block:
    """Expressions over the columns of one record that two records must have in common, and the roles they need."""

    needs: tuple[str, ...]
    expressions: tuple[str, ...]


def _block(*expressions: str) -> Block:
    return Block(tuple(_role(e) for e in expressions), expressions)


def _role(expression: str) -> str:
    return expression.removeprefix("left(").removeprefix("right(").partition(",")[0]


_BLOCKS = (
    _block("full_name"),
    _block("given_name", "surname"),
    _block("birth_date", "surname"),
    _block("birth_date", "given_name"),
    _block("birth_date", "area_code"),
    _block("birth_date", "place"),
    _block("birth_date", "name_tokens"),
    _block("birth_date", "sex", "left(full_name, 2)"),
    _block("surname", "area_code"),
    _block("given_name", "area_code"),
    _block("surname", "place"),
    _block("surname", "occupation"),
    _block("surname", "left(given_name, 1)"),
    _block("area_code", "left(birth_date, 4)"),
    _block("area_code", "right(birth_date, 4)"),
    _block("area_code", "occupation"),
    _block("area_code", "place"),
    _block("area_code", "house_number"),
    _block("left(surname, 4)", "left(birth_date, 4)"),
    _block("left(given_name, 4)", "left(birth_date, 4)", "place"),
    _block("place", "left(surname, 3)"),
    _block("place", "house_number"),
    _block("street"),
    _block("locality", "area_code"),
    _block("contact"),
    _block("local_number"),
)
_TRAINING = (("birth_date",), ("given_name", "surname"), ("full_name",), ("area_code",), ("place",))
_SURE = (("given_name", "surname", "birth_date"), ("full_name", "birth_date"), ("contact", "birth_date"))


def rules(roles: Roles) -> list[BlockingRuleCreator]:
    """For the pairs to be scored; the exchanged name is a rule of its own."""
    found: list[BlockingRuleCreator] = [block_on(*b.expressions) for b in _BLOCKS if _has(roles, b.needs)]
    if {"given_name", "surname"} <= roles.given:
        found.append(CustomRule("l.given_name = r.surname and l.surname = r.given_name"))
    return found


def paired_rule() -> BlockingRuleCreator:
    """Pairs that somebody else has found: their records share a text of the list `PAIRED`."""
    return block_on(PAIRED, arrays_to_explode=[PAIRED])


def training_rules(roles: Roles) -> Iterator[BlockingRuleCreator]:
    """For expectation maximisation, one after the other: each is silent about what it blocks on."""
    return (block_on(*columns) for columns in _TRAINING if _has(roles, columns))


def sure_rules(roles: Roles) -> list[BlockingRuleCreator]:
    """Pairs that agree in one of these are hardly ever two persons."""
    return [block_on(*columns) for columns in _SURE if _has(roles, columns)]


def sure_pairs(roles: Roles, tables: Sequence[pa.Table]) -> list[tuple[str, str]]:
    """The pairs that agree in one of the sure rules: what links without weighing anything would find."""
    sides = {"l": tables[0], "r": tables[-1]}
    order = f"l.{RECORD_ID} < r.{RECORD_ID}" if len(tables) == 1 else "true"
    joins = [" and ".join(f"l.{c} = r.{c}" for c in sure) for sure in _SURE if _has(roles, sure)]
    with duckdb.connect() as connection:
        for name, table in sides.items():
            connection.register(f"side_{name}", table)
        pair = f"select l.{RECORD_ID}, r.{RECORD_ID} from side_l as l join side_r as r on"
        return connection.execute(" union ".join(f"{pair} {join} and {order}" for join in joins)).fetchall()


def _has(roles: Roles, needed: Sequence[str]) -> bool:
    given = set(roles.given)
    if {"given_name", "surname"} <= given or "full_name" in given:
        given |= {"full_name", TOKENS}
    return set(needed) <= given
