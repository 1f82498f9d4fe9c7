"""Say of whom new statements speak: those that name nobody surely are matched, and what was decided is applied.

What is found is told as events of identity first; the statements follow those events. So a registry that is made anew
finds the same persons again, and a refresh that is cut short repeats nothing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import sqlalchemy as sa

from datacentre.control.identity import Event, Kind, append
from datacentre.control.identity_state import kept_apart
from datacentre.pseudonym import PseudonymKey
from lake.identity_rows import follow_identity, followed_event
from registry.golden.mapping import PersonMapping
from registry.golden.shelf import Shelf
from registry.identity.applying import apply_events
from registry.identity.blocks import candidates, note_persons, note_waiting
from registry.identity.cases import Case, Place, follow_cases, open_cases
from registry.identity.judgement import Candidate, Judgement, Verdict, judge
from registry.identity.known_model import KnownModel, compared, count, fitting_model, frequencies
from registry.identity.tables import Speakers, make_tables, speakers
from registry.identity.told_rows import SUBJECT, note_known, summed_up, tell
from registry.linkage import Linkage, Thresholds
from registry.linkage.roles import PAIRED, RECORD_ID

_WHO = "linkage"
_THRESHOLDS = Thresholds(linked=0.9999)
"""Of ten thousand links that nobody looks at, less than one is expected to be wrong."""
_MANY = 40_000
"""As many persons are quicker found by looking through all statements."""


@dataclass(frozen=True)
class Resolved:
    """How many cases were linked, given to review, and left apart."""

    linked: int = 0
    review: int = 0
    apart: int = 0


class Resolver:
    """One refresh's work on the connection of the registry, inside its transaction.

    Needs the temporary tables `restated`, `touched_record` and `touched_person` of the refresh; brings `resolved_key`
    of the statements to the newest event, and adds to the three whom that concerns.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        shelf: Shelf,
        control: sa.Engine,
        home: Path,
        mapping: PersonMapping,
        key: PseudonymKey,
        thresholds: Thresholds = _THRESHOLDS,
    ):
        self._connection, self._shelf, self._control, self._home = connection, shelf, control, home
        self._speakers: Speakers = speakers(mapping)
        self._key, self._thresholds = key, thresholds
        make_tables(connection)

    def apply_decisions(self) -> None:
        """Bring the statements to what others have decided; who is registered may be other persons then."""
        before = followed_event(self._connection)
        follow_identity(self._connection, self._control)
        apply_events(self._connection, self._shelf, before)

    def match(self) -> Resolved:
        """Match what is in doubt, and apply what comes of it."""
        tell(self._connection, self._speaking(), "told")
        note_persons(self._connection, self._speakers)
        model = fitting_model(self._connection, self._home, self._speakers)
        self._look_again(model)
        followed = [_as_its_case(*found) for found in follow_cases(self._connection, self._speakers)]
        cases = open_cases(self._connection)
        judged = self._judge(cases, model) if model is not None and cases else {}
        append(self._control, [*followed, *self._told(judged, model)])
        self._note(cases, judged)
        self.apply_decisions()
        return _counted(judged.values())

    def _speaking(self) -> str:
        """The statements that matching looks at."""
        role = "(stream_key, named_as)"
        registering = f"{role} in ({self._speakers.registering}) and full_name is not null"
        return f"(from restated where {role} in ({self._speakers.telling}) or {registering})"

    def _look_again(self, model: KnownModel | None) -> None:
        """Cases that wait are told again where somebody who may be the same has been registered since."""
        self._connection.execute(
            """create or replace temp table again as select distinct record_hash from waiting_block
            semi join fresh_block using (key) where record_hash not in (select record_hash from touched_record)"""
        )
        if model is None or not count(self._connection, "again"):
            return
        self._connection.execute("create or replace temp table called_again as from restated limit 0")
        self._shelf.of_records("called_again", "again")
        self._connection.execute("insert into restated by name from called_again")
        self._connection.execute("insert into touched_record from again")
        tell(self._connection, "called_again", "told_again")
        self._connection.execute("insert into told by name from told_again")
        note_known(self._connection)

    def _judge(self, cases: Sequence[Case], model: KnownModel) -> dict[Case, Judgement]:
        scored = self._scored(model)
        apart = kept_apart(self._control)
        judged = {}
        for case in cases:
            own = case.founded_key or self._founding_key(case)
            likely = [c for c in scored.get(case.record_hash, []) if frozenset((own, c[0])) not in apart]
            judged[case] = judge(likely, self._thresholds, case.is_contradicting)
        return judged

    def _scored(self, model: KnownModel) -> Mapping[int, list[Candidate]]:
        """Candidates of each open case, with how probable each is."""
        candidates(self._connection)
        if not count(self._connection, "candidate"):
            return {}
        self._gather()
        persons = compared(self._connection, f"({self._of_candidates()})", "resolved_key", "p", PAIRED)
        own = f"(select *, [record_hash::text] as {PAIRED} from open_case semi join candidate using (record_hash))"
        asked = compared(self._connection, own, "record_hash", "c", PAIRED)
        fitted = model.among(count(self._connection, "registered"))
        if not persons.num_rows:
            return {}
        linkage = Linkage(fitted.roles, [persons, asked], frequencies(self._connection))
        found: dict[int, list[Candidate]] = {}
        for row in linkage.score(fitted, self._thresholds.review).to_pylist():
            sides = sorted((row[f"{RECORD_ID}_l"], row[f"{RECORD_ID}_r"]))
            found.setdefault(int(sides[0][1:]), []).append((sides[1][1:], row["match_probability"]))
        return found

    @staticmethod
    def _of_candidates() -> str:
        """SQL of what is known of each candidate, with the cases that she is a candidate of."""
        return f"""select person.*, {PAIRED} from ({summed_up("candidate_row", "resolved_key")}) as person
            join (select subject, list(record_hash::text) as {PAIRED} from candidate group by subject) as candidate
            on candidate.subject = {SUBJECT.format("resolved_key")}"""

    def _gather(self) -> None:
        """`candidate_row`: what is known of the candidates under their own numbers."""
        self._connection.execute("create or replace temp table asked_subject as select distinct subject from candidate")
        self._connection.execute("create or replace temp table candidate_statement as from statement limit 0")
        subject = SUBJECT.format("resolved_key")
        rows = f"where {subject} in (from asked_subject) and {self._speakers.own} and full_name is not null"
        if count(self._connection, "asked_subject") > _MANY or self._shelf.is_empty():
            self._connection.execute(f"insert into candidate_statement from statement {rows}")
        else:
            self._shelf.of_subjects("candidate_statement", "asked_subject")
            self._connection.execute(
                "delete from candidate_statement where record_hash in (select record_hash from touched_record)"
            )
            self._connection.execute(f"insert into candidate_statement by name from restated {rows}")
        tell(self._connection, f"(from candidate_statement where {self._speakers.own})", "candidate_told")
        self._connection.execute(
            f"""create or replace temp view candidate_row as
            select *, (stream_key, named_as) in ({self._speakers.registering}) as is_firm from candidate_told
            anti join open_case using (record_hash)"""
        )

    def _told(self, judged: Mapping[Case, Judgement], model: KnownModel | None) -> Iterator[Event]:
        for case, judgement in judged.items():
            assert model is not None
            yield from self._events(case, judgement, model)

    def _events(self, case: Case, judgement: Judgement, model: KnownModel) -> Iterator[Event]:
        own = case.founded_key or self._founding_key(case)
        found = Event(Kind.LINKED, _WHO, judgement.reason, other_key=case.number, model_id=model.id)
        if judgement.candidates:
            found = replace(found, person_key=judgement.candidates[0][0], probability=judgement.candidates[0][1])
        if judgement.verdict is Verdict.LINKED and case.founded_key:
            yield replace(found, kind=Kind.MERGED, other_key=own)
        elif judgement.verdict is Verdict.LINKED:
            yield from (_at(place, found) for place in case.places)
        elif not case.founded_key and (case.number is None or judgement.verdict is Verdict.REVIEW):
            founded = Event(Kind.FOUNDED, _WHO, judgement.reason, own, case.number)
            yield from (_at(place, founded) for place in case.places)
        if judgement.verdict is Verdict.REVIEW:
            yield _at(case.places[0], _review(case, judgement, replace(found, other_key=own)))

    def _founding_key(self, case: Case) -> str:
        return self._key.pseudonym(f"registry:{case.founder}")

    def _note(self, cases: Sequence[Case], judged: Mapping[Case, Judgement]) -> None:
        found = [c.record_hash for c, j in judged.items() if j.verdict is Verdict.LINKED]
        self._connection.execute(
            "create or replace temp table found_case as select unnest($1::ubigint[]) as record_hash", [found]
        )
        note_waiting(self._connection)


def _review(case: Case, judgement: Judgement, found: Event) -> Event:
    """Whoever is registered under the number that the case names is a candidate too, however unlike she is."""
    offered = judgement.candidates
    if case.is_contradicting and case.number is not None and case.number not in dict(offered):
        offered = (*offered, (case.number, 0.0))
    return replace(found, kind=Kind.REVIEW_OPENED, person_key=offered[0][0], candidates=offered)


def _at(place: Place, event: Event) -> Event:
    stream, partition, offset = place
    return replace(event, stream=stream, kafka_partition=partition, kafka_offset=offset)


def _as_its_case(place: Place, person_key: str, number: str | None) -> Event:
    return _at(place, Event(Kind.LINKED, _WHO, "as the records before it of the same case", person_key, number))


def _counted(judgements: Collection[Judgement]) -> Resolved:
    verdicts = [judgement.verdict for judgement in judgements]
    return Resolved(*(verdicts.count(verdict) for verdict in Verdict))
