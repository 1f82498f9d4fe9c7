"""Which value of each attribute is believed, and why.

Statements are ranked: said by the attribute's authority in a confirmed case, by another source in a confirmed case,
unconfirmed, in a record that was linked without a number. Within a case the last word counts. Order is when things
happened, never when they came, so that any order of arrival gives the same values.
"""

import duckdb

from registry.golden.mapping import Belief, PersonMapping
from registry.golden.person import CONFIDENCES

_LINKED_RANK = len(CONFIDENCES)
_LISTED_RANK = 2
"""Values of a lower rank may differ without being a conflict: nobody has confirmed them."""


def believe(connection: duckdb.DuckDBPyConnection, mapping: PersonMapping) -> None:
    """Decide for everybody of `asked_person` who is registered; `spoken` holds all statements of theirs.

    Leaves temporary tables: `told`, their statements in order (`turn`), `taken` (person_key, attribute, value, turn,
    rank, because), and `conflict` (person_key, attribute, taken, other, turn).
    """
    connection.execute(
        """create or replace temp table told as
        select *, row_number() over (order by event_date, coalesce(event_time, 'infinity'::timestamptz), stream_key,
            source, event_id, named_as, list_position) as turn
        from spoken
        where resolved_key in (select person_key from asked_person
            where hash(person_key) in (select person_hash from registered))"""
    )
    connection.execute(
        """create or replace temp table taken (person_key text, attribute text, value text, turn bigint, rank integer,
            because text)"""
    )
    connection.execute(
        """create or replace temp table conflict (person_key text, attribute text, taken text, other text,
            turn bigint)"""
    )
    for name, belief in mapping.beliefs.items():
        connection.execute(_said(name, belief))
        if connection.execute("select not exists (from said)").fetchall() == [(True,)]:
            continue
        connection.execute(_chosen(belief))
        connection.execute(_taken(name, belief))
        if belief.rule == "settled":
            connection.execute(_conflicts(name))
    for name, belief in mapping.beliefs.items():
        if belief.otherwise is not None:
            connection.execute(_otherwise(name, belief.otherwise))


def _said(attribute: str, belief: Belief) -> str:
    """The last word of each case about one attribute."""
    return f"""
        create or replace temp table said as
        select resolved_key as person_key, record_hash, max(turn) as turn, arg_max({attribute}, turn)::text as value,
            bool_or(is_amending) as is_amending,
            case when resolved_key is distinct from told.person_key and not is_by_case then {_LINKED_RANK}
                when not is_confirmed then 3
                when '{belief.authority}' in (stream_key, source) then 1 else 2 end as rank
        from told where {attribute} is not null
        group by resolved_key, record_hash, rank"""


def _chosen(belief: Belief) -> str:
    turn = "max(said.turn)"
    if belief.rule == "settled":
        turn = "coalesce(max(said.turn) filter (where said.is_amending), min(said.turn))"
    return f"""
        create or replace temp table chosen as
        with best as (select person_key, min(rank) as rank from said group by person_key)
        select person_key, best.rank, {turn} as turn, count(*) as peers, bool_or(said.is_amending) as is_amended
        from said join best using (person_key)
        where said.rank = best.rank
        group by person_key, best.rank"""


def _taken(attribute: str, belief: Belief) -> str:
    several = "'the newest of ' || c.peers || ' cases'"
    if belief.rule == "settled":
        several = (
            "case when c.is_amended then 'the newest amendment' else 'the first' end || ' of ' || c.peers || ' cases'"
        )
    return f"""
        insert into taken
        with rival as (
            select c.person_key, arg_min(s.turn, s.rank * 1000000000000 - s.turn) as turn
            from said as s join chosen as c on c.person_key = s.person_key and c.turn <> s.turn
            group by c.person_key
        )
        select c.person_key, '{attribute}', s.value, c.turn, c.rank,
            case when c.peers = 1 then 'the only case' else {several} end
            || case c.rank when 1 then ' confirmed by its authority, {belief.authority}'
                when 2 then ' confirmed by another source than {belief.authority}, its authority'
                when 3 then ' that says it, and not confirmed' else ' that was linked without a number' end
            || coalesce('; taken before ' || t.stream_key || ' ' || t.event_id || ' of ' || t.event_date, '')
        from chosen as c
        join said as s on s.person_key = c.person_key and s.turn = c.turn
        left join rival as r on r.person_key = c.person_key
        left join told as t on t.turn = r.turn"""


def _conflicts(attribute: str) -> str:
    """What was confirmed later by the same rank and isn't the same; what came before an amendment was amended."""
    return f"""
        insert into conflict
        select c.person_key, '{attribute}', mine.value, s.value, min(s.turn)
        from chosen as c
        join said as mine on mine.person_key = c.person_key and mine.turn = c.turn
        join said as s on s.person_key = c.person_key and s.rank = c.rank and s.turn > c.turn
        where c.rank <= {_LISTED_RANK} and s.value <> mine.value
        group by c.person_key, mine.value, s.value"""


def _otherwise(attribute: str, other: str) -> str:
    return f"""
        insert into taken
        select o.person_key, '{attribute}', o.value, o.turn, greatest(o.rank, 2),
            'nothing established it; as {other}: ' || o.because
        from taken as o
        where o.attribute = '{other}' and not exists
            (from taken as t where t.attribute = '{attribute}' and t.person_key = o.person_key)"""
