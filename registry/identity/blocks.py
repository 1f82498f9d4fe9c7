"""Keys of persons and of waiting cases: who is worth a look is found by what they share, never by looking at all.

A person is found by what her registered records say, and by phone and local number of records under her number that
don't contradict those.
"""

from collections.abc import Sequence

import duckdb

from registry.identity.tables import Speakers
from registry.identity.told_rows import (
    AGREEING_KEYS,
    BIRTHDAY_KEYS,
    LOCAL_KEYS,
    NAME_KEYS,
    ROUGH_KEYS,
    SUBJECT,
    block_keys,
    note_known,
)

_MOST = 200
"""A key that more persons share says too little."""
_MOST_ROUGHLY = 10
"""The same of a name with half a birth date: none of so many is likelier than the others, and what tells one of them
apart is a key of its own."""
_OF_RESOLVED = SUBJECT.format("resolved_key")


def note_persons(connection: duckdb.DuckDBPyConnection, speakers: Speakers) -> None:
    """Keys of the registered whom `told` speaks of; leaves `fresh_block` (what is new), and `contradiction`: records
    that share nothing with what is registered under their number.

    `known_block` are those persons' keys: all that is asked of the large table, at once."""
    note_known(connection)
    connection.execute(
        f"""create or replace temp table known_block as select subject, key from person_block
        where subject in (select {SUBJECT.format("person_key")} from known_person)"""
    )
    connection.execute(
        f"""create or replace temp view registering_row as
        select *, {_OF_RESOLVED} as subject from told semi join known_person as k on k.person_key = told.resolved_key
        where (stream_key, named_as) in ({speakers.registering}) and full_name is not null
            and coalesce(told.person_key, resolved_key) = resolved_key"""
    )
    connection.execute(
        f"create or replace temp table fresh_block as {_new_keys('registering_row', (*NAME_KEYS, *AGREEING_KEYS))}"
    )
    connection.execute("insert into known_block from fresh_block")
    connection.execute(
        f"""create or replace temp table numbered_row as
        select *, {_OF_RESOLVED} as subject, row(kafka_partition, kafka_offset) as place
        from told semi join known_person as k on k.person_key = told.resolved_key
        where (stream_key, named_as) in ({speakers.telling}) and full_name is not null and birth_date is not null
            and told.person_key = resolved_key"""
    )
    _note_numbered(connection)


def _note_numbered(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create or replace temp table named_subject as "
        "select distinct subject from known_block semi join numbered_row using (subject)"
    )
    connection.execute(
        f"""create or replace temp table agreeing as select distinct record_hash, subject
        from ({block_keys("numbered_row", "record_hash, subject", AGREEING_KEYS)})
        semi join known_block using (subject, key)"""
    )
    connection.execute(
        """create or replace temp table contradiction as select distinct record_hash, person_key
        from numbered_row semi join named_subject using (subject) anti join agreeing using (record_hash, subject)"""
    )
    connection.execute(
        "create or replace temp view agreeing_row as from numbered_row semi join agreeing using (record_hash, subject)"
    )
    connection.execute(f"insert into fresh_block {_new_keys('agreeing_row', LOCAL_KEYS)}")
    connection.execute("insert into person_block select subject, key from fresh_block")


def _new_keys(rows: str, kinds: Sequence[str]) -> str:
    return f"""select subject, key from ({block_keys(rows, "subject", kinds)})
        anti join known_block using (subject, key)"""


def candidates(connection: duckdb.DuckDBPyConnection) -> None:
    """Leave `candidate` (record_hash, subject): the registered who share a key with an `open_case`."""
    connection.execute(
        f"""create or replace temp table candidate as
        select record_hash, subject from ({_sharing((*BIRTHDAY_KEYS, *LOCAL_KEYS), _MOST)})
        union select record_hash, subject from ({_sharing(ROUGH_KEYS, _MOST_ROUGHLY)})
        union select record_hash, {SUBJECT.format("number")} from open_case
        semi join contradiction using (record_hash)"""
    )


def _sharing(kinds: Sequence[str], most: int) -> str:
    return f"""select record_hash, subject from ({block_keys("open_case", "record_hash", kinds)})
        join person_block using (key) qualify count(*) over (partition by record_hash, key) <= {most}"""


def note_waiting(connection: duckdb.DuckDBPyConnection) -> None:
    """Remember the keys of the cases of `open_case`, save those of `found_case`: somebody may register later."""
    connection.execute(
        "delete from waiting_block where record_hash in (select record_hash from open_case)",
    )
    connection.execute(
        f"""insert into waiting_block select record_hash, key from ({block_keys("open_case", "record_hash")})
        anti join found_case using (record_hash) anti join contradiction using (record_hash)"""
    )
