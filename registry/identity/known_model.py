"""The model that the registry links by: learnt from its own records, kept in a file, learnt again as it grows."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from datacentre.errors import CheckFailed
from registry.identity.tables import Speakers
from registry.identity.told_rows import COMPARED, REGISTRY_ROLES, SUBJECT, summed_up, tell
from registry.linkage import Linkage, Model
from registry.linkage.roles import RECORD_ID

_SAMPLE = 15_000
"""Persons, and as many records about them, are enough to learn from."""
_LEAST = 200
_GROWTH = 2
"""Once the registry is so many times what it was, frequencies and chances are others."""
_FREQUENT = ("full_name", "birth_date", "sex")
_PERSON = "person"
_SEVERAL = 2
"""A value that only one person has is kept nowhere."""


@dataclass(frozen=True)
class KnownModel:
    """`share` of the people that records speak of are registered; there were `registered` of those."""

    model: Model
    share: float
    registered: int

    @property
    def id(self) -> str:
        """Names it in events of identity."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_json(self) -> str:
        document = {"settings": dict(self.model.settings), "share": self.share, "registered": self.registered}
        return json.dumps(document, sort_keys=True)

    def among(self, persons: int) -> Model:
        """The model for as many persons: the more there are, the likelier is it that somebody else is like her."""
        chance = self.share / max(persons, 1)
        return Model(REGISTRY_ROLES, {**self.model.settings, "probability_two_random_records_match": chance})


def model_file(home: Path) -> Path:
    return home / "registry" / "model.json"


def read_model(home: Path) -> KnownModel | None:
    """None where nothing was learnt yet."""
    if not model_file(home).exists():
        return None
    document = json.loads(model_file(home).read_text())
    return KnownModel(Model(REGISTRY_ROLES, document["settings"]), document["share"], document["registered"])


def fitting_model(connection: duckdb.DuckDBPyConnection, home: Path, speakers: Speakers) -> KnownModel | None:
    """The model there is; learnt anew where there is none, or where the registry has doubled since.

    None as long as there are too few records of registered persons to learn from.
    """
    known, persons = read_model(home), count(connection, "registered")
    if known is not None and persons < _GROWTH * known.registered:
        if not count(connection, "term_frequency"):
            note_frequencies(connection, speakers)
        return known
    return train(connection, home, speakers) or known


def train(connection: duckdb.DuckDBPyConnection, home: Path, speakers: Speakers) -> KnownModel | None:
    """Learn from a sample of the registered, and of what others have recorded under their numbers; keep the model."""
    persons, cases = _sample(connection, speakers)
    if cases.num_rows < _LEAST:
        return None
    note_frequencies(connection, speakers)
    try:
        model = Linkage(REGISTRY_ROLES, [_labelled(persons), _labelled(cases)]).learn(_PERSON)
    except CheckFailed:
        return None
    known = KnownModel(model, _registered_share(connection, speakers), count(connection, "registered"))
    draft = model_file(home).with_suffix(".draft")
    draft.write_text(known.to_json())
    draft.replace(model_file(home))
    return known


def _labelled(records: pa.Table) -> pa.Table:
    return records.append_column(_PERSON, pc.utf8_slice_codeunits(records[RECORD_ID], 1))


def _registered_share(connection: duckdb.DuckDBPyConnection, speakers: Speakers) -> float:
    """Of the numbers that come with records of telling roles."""
    rows = connection.execute(
        f"""with number as (
            select distinct person_key from statement
            where (stream_key, named_as) in ({speakers.telling}) and person_key is not null
        )
        select count(r.person_key) / count(*) from number left join registered as r using (person_key)"""
    ).fetchall()
    return float(rows[0][0])


def _sample(connection: duckdb.DuckDBPyConnection, speakers: Speakers) -> tuple[pa.Table, pa.Table]:
    """Persons as their records sum them up, and one more record of each that wasn't summed up."""
    connection.execute(
        f"""create or replace temp table sampled as select person_key from registered
        order by {SUBJECT.format("person_key")} limit {_SAMPLE}"""
    )
    connection.execute(
        f"""create or replace temp table sampled_statement as
        select * from statement
        where resolved_key in (select person_key from sampled) and {speakers.own} and full_name is not null
            and (stream_key, named_as) in ({speakers.registering}, {speakers.telling})"""
    )
    tell(connection, "sampled_statement", "sampled_row")
    connection.execute(
        f"""create or replace temp table sampled_case as
        select resolved_key, max(record_hash) as record_hash from sampled_row
        where (stream_key, named_as) in ({speakers.telling}) group by resolved_key"""
    )
    connection.execute(
        f"""create or replace temp view sampled_person as
        select *, (stream_key, named_as) in ({speakers.registering}) as is_firm from sampled_row
        anti join sampled_case using (record_hash)"""
    )
    connection.execute(
        """create or replace temp view sampled_told as
        select *, true as is_firm from sampled_row semi join sampled_case using (record_hash)"""
    )
    return tuple(
        compared(connection, f"({summed_up(rows, 'resolved_key')})", "resolved_key", prefix)
        for rows, prefix in (("sampled_person", "p"), ("sampled_told", "c"))
    )


def compared(connection: duckdb.DuckDBPyConnection, rows: str, record_id: str, prefix: str, *others: str) -> pa.Table:
    """What the linker compares of such rows, and other columns of theirs."""
    columns = ", ".join((*COMPARED, *others))
    return connection.sql(f"select '{prefix}' || {record_id} as {RECORD_ID}, {columns} from {rows}").to_arrow_table()


def note_frequencies(connection: duckdb.DuckDBPyConnection, speakers: Speakers) -> None:
    """How frequent names, birth dates and sexes are among all the registered."""
    connection.execute(
        f"""create or replace temp table registered_statement as
        select * from statement where (stream_key, named_as) in ({speakers.registering}) and full_name is not null"""
    )
    tell(connection, "registered_statement", "registered_row")
    connection.execute("delete from term_frequency")
    for role in _FREQUENT:
        connection.execute(
            f"""insert into term_frequency
            with value as (select arg_max({role}, event_date) as value from registered_row group by resolved_key)
            select '{role}', value, count(*) / (select count(value) from value) from value
            where value is not null group by value having count(*) >= {_SEVERAL}"""
        )


def frequencies(connection: duckdb.DuckDBPyConnection) -> dict[str, pa.Table]:
    """As the linker takes them; whatever isn't frequent there isn't weighed by it."""
    found = {
        role: connection.sql(
            f"select value as {role}, frequency as tf_{role} from term_frequency where role = '{role}'"
        ).to_arrow_table()
        for role in _FREQUENT
    }
    unweighed = pa.schema([("contact", pa.string()), ("tf_contact", pa.float64())]).empty_table()
    return found | {"contact": unweighed}


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"select count(*) from {table}").fetchall()[0][0])
