"""Erase a person's direct identifiers from every store of the home, and certify it.

Facts stay under the pseudonym. What is asked for holds the pseudonym only: the identifier is needed once, to
compute it, and is written nowhere.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from connectors.sink.replay import Replayer, only_replay
from connectors.topic_erasure import begin_segments, delete_below, letting_go_soon
from connectors.topics import Topic, describe_topics
from datacentre.contracts import Contract, load_contracts
from datacentre.control.erasures import Request, add_request, load_request, record_erasure
from datacentre.control.identity_state import places_of
from datacentre.control.store import opened
from datacentre.errors import CheckFailed, ContractError
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from datacentre.signing import signed
from datacentre.stages.backup import backup_places, complete, only_backup
from datacentre.stages.land import land
from lake.databases import columns_holding, take_out_of_database
from lake.erase import Decided, Traces, erase_from_quarantine, erase_from_vault, find_traces
from lake.home_files import Search, search, take_out
from lake.marts import only_writer
from lake.person import Person, patterns_of
from lake.positions import landed_bases, landed_positions
from lake.rewrite import Offsets
from lake.tables import has_tables, open_table
from registry.golden.forget import forget_person
from registry.golden.mapping import load_mapping

# A broker with default settings looks at retention every 5 minutes, and lets go of the files a second later.
_BROKER_SECONDS = 420.0
_POLL_SECONDS = 2.0
_TABLES = ("lake", "kafka", "marts", "backups", "keys", "postgresql", "registry")
_SHOWN = 10

Told = Callable[[str], None]


def request(settings: Settings, identifier: str, reason: str, authority: str, who: str) -> int:
    """Note that a person is to be erased, by pseudonym; returns the number of the request.

    Raises ContractError when `identifier` isn't one, or stands in what is to be kept.
    """
    contracts, key = load_contracts(settings.schemas), load_or_create(settings.home, has_tables(settings.lake))
    person_key = key.pseudonym(identifier)
    person = Person(person_key, key, patterns_of(contracts.values()))
    if not person.holds(identifier.encode()):
        raise ContractError("--cid: what was given doesn't look like an identifier of any contract")
    if person.holds(f"{reason}\n{authority}".encode()):
        raise ContractError("--reason and --authority are kept: they may not hold the person's identifier")
    with opened(settings.control_url) as control:
        return add_request(control, person_key, key.id, reason, authority, who)


def erase(settings: Settings, number: int, who: str, told: Told = lambda step: None) -> Path:
    """Carry out one request; returns the certificate. Safe to repeat, and beside running sinks.

    Raises CheckFailed naming the files that hold the person still: nothing is certified then. SourceUnavailable
    when the broker or other writers don't let it.
    """
    contracts, key = load_contracts(settings.schemas), load_or_create(settings.home, has_tables(settings.lake))
    with opened(settings.control_url) as control:
        asked = load_request(control, number)
        linked = places_of(control, asked.person_key)
    if asked.pseudonym_key_id != key.id:
        raise ContractError(f"request {number} was made with pseudonym key {asked.pseudonym_key_id}; make it anew")
    person = Person(asked.person_key, key, patterns_of(contracts.values()), linked)

    told("landing what the topics hold")
    topics = describe_topics(settings.bootstrap_servers, contracts.values())
    _land(settings, [*topics])
    with letting_go_soon(settings.bootstrap_servers, [topic.name for topic in topics.values()]):
        found = _take_out(settings, contracts, topics, person, asked, who, told)
    return _certify(settings, asked, who, found)


def _take_out(
    settings: Settings,
    contracts: Mapping[str, Contract],
    topics: Mapping[str, Topic],
    person: Person,
    asked: Request,
    who: str,
    told: Told,
) -> dict[str, Any]:
    """Out of topics, lake, files and databases; returns what there was."""
    decided = Decided(who, datetime.now(UTC), f"erased by request {asked.id}")
    cut, counts, own = {}, {}, {}
    for stream, contract in contracts.items():
        told(f"{stream}: topic, vault and quarantine")
        limits = landed_positions(settings.lake, contract)
        cut[stream] = _cut_topic(settings, contract, topics[stream], person) if stream in topics else {}
        # What comes in behind the cut stays whole: erased from the lake alone, the next run wouldn't find it in the
        # topic.
        bases = landed_bases(settings.lake, contract) if cut[stream] else {}
        limits |= {p: offset + bases.get(p, 0) for p, offset in cut[stream].items()}
        traces = _erase_from_lake(settings.lake, contract, person, decided, limits)
        counts[stream], own[stream] = _counts(traces), traces.own
    told("registry")
    forgotten = forget_person(settings.home, person.person_key, own, load_mapping(settings.schemas, contracts))
    told("logs, reports and stores")
    masked = sum(take_out_of_database(url, person) for url in _databases(settings))
    loose = search(settings.home, person, left_out=_TABLES).holding
    for file in loose:
        take_out(file, person)
    told("backups")
    backups = _erase_from_backups(settings, contracts, person, decided)
    told("searching every file")
    searched = _require_none_left(settings, person, asked)
    return {
        "rows": {stream: n for stream, n in counts.items() if any(n.values())},
        "topic_partitions_cut_below": {stream: offsets for stream, offsets in cut.items() if offsets},
        "registry_statements": forgotten,
        "other_files_cleaned": len(loose),
        "backups": backups,
        "database_values_masked": masked,
        "files_searched": searched.files,
        "bytes_searched": searched.bytes,
        "files_that_hold_the_identifier": 0,
    }


def _land(settings: Settings, streams: list[str]) -> None:
    """Only what is in the lake may be cut off the topic."""
    outcomes = land(replace(settings, sink_instance=""), streams) if streams else ()
    failed = [f"{o.stream}: {o.detail['error']}" for o in outcomes if "error" in o.detail]
    if failed:
        raise CheckFailed(f"a topic is erased only when all of it has landed: {'; '.join(failed)}")


def _cut_topic(settings: Settings, contract: Contract, topic: Topic, person: Person) -> dict[int, int]:
    """The topic's offset below which each partition was cut that still held a record of the person."""
    bases = landed_bases(settings.lake, contract)
    first = topic.in_lake(bases).first_offsets
    traces = find_traces(settings.lake, contract, person)
    partitions = [p for p, offsets in traces.everywhere.items() if p in first and (offsets >= first[p]).any()]
    if not partitions:
        return {}
    below = begin_segments(settings.bootstrap_servers, topic.name, partitions)
    _land(settings, [contract.key])
    positions = landed_positions(settings.lake, contract)
    if behind := [p for p, offset in below.items() if positions.get(p, 0) - bases.get(p, 0) < offset]:
        raise CheckFailed(f"{contract.key}: partitions {behind} have not landed up to their end; run it again")
    delete_below(settings.bootstrap_servers, topic.name, below)
    return below


def _erase_from_lake(
    lake: Path,
    contract: Contract,
    person: Person,
    decided: Decided,
    limits: Mapping[int, int] | None = None,
) -> Traces:
    """Where the person was: in all rows, or in those below the limits."""
    if open_table(lake, contract, "landed") is None:
        return Traces({}, {}, {})
    with only_replay(lake, contract.key):
        for _ in Replayer(lake, contract, person.key, decided.who).earlier():
            pass  # a replay that was cut short needs the bytes
        traces = find_traces(lake, contract, person)
        traces = traces if limits is None else traces.below(limits)
        erase_from_vault(lake, contract, person, traces)
        erase_from_quarantine(lake, contract, person, traces, decided)
    return traces


def _counts(traces: Traces) -> dict[str, int]:
    """How many rows were the person's own, named the person, or were quarantined."""
    return {
        "own": _count(traces.own),
        "of_others": _count(traces.mentions),
        "quarantined": _count(traces.quarantined),
    }


def _erase_from_backups(settings: Settings, contracts: Mapping[str, Contract], person: Person, decided: Decided) -> int:
    """Each backup is a lake of its own, and is erased from like one; returns how many there are.

    None can be made meanwhile: it would copy what was there before.
    """
    count = 0
    for place in backup_places(settings):
        with only_backup(place):
            for folder in complete(place):
                count += 1
                for contract in contracts.values():
                    _erase_from_lake(folder / "lake", contract, person, decided)
                for file in search(folder, person, left_out=_TABLES).holding:
                    take_out(file, person)
    return count


def _count(offsets: Offsets) -> int:
    return sum(len(o) for o in offsets.values())


def _require_none_left(settings: Settings, person: Person, asked: Request) -> Search:
    """Search everything, and give the local broker time to let go of the files that were cut off."""
    deadline = time.monotonic() + _BROKER_SECONDS
    held = {file.parent for file in search(settings.home / "kafka", person).holding}
    while held and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        held = {folder for folder in held if search(folder, person).holding}
    with only_writer(settings.marts):  # a build holds its database closed to readers
        searched = search(settings.home, person, elsewhere=backup_places(settings))
    for url in _databases(settings):
        if held_in := columns_holding(url, person):
            raise CheckFailed(
                f"request {asked.id} is not certified: {', '.join(held_in)} hold the identifier again, somebody has "
                f"written it meanwhile; run: datacentre erase run {asked.id}"
            )
    if searched.holding:
        shown = ", ".join(str(file).removeprefix(f"{settings.home}/") for file in searched.holding[:_SHOWN])
        raise CheckFailed(
            f"request {asked.id} is not certified: {len(searched.holding)} files of {settings.home} hold the "
            f"identifier still: {shown}. Kafka: the person's records still arrive, or the broker has not deleted yet; "
            f"then run: datacentre erase run {asked.id}"
        )
    return searched


def _databases(settings: Settings) -> list[str]:
    """PostgreSQL only: SQLite stores are files of the home."""
    urls = (settings.control_url, settings.airflow_database_url)
    return [url for url in urls if url.startswith("postgresql")]


def _certify(settings: Settings, asked: Request, who: str, found: Mapping[str, Any]) -> Path:
    at = datetime.now(UTC)
    document = {
        **asdict(asked),
        "requested_at": asked.requested_at.isoformat(),
        "erased_by": who,
        "erased_at": at.isoformat(),
        "found": found,
        "not_searched": _not_searched(settings),
    }
    content = signed(document, settings.home)
    file = settings.home / "erasures" / f"erasure-{asked.id}-{at:%Y%m%dT%H%M%SZ}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    with opened(settings.control_url) as control:
        record_erasure(control, asked, who, at, found, hashlib.sha256(content).hexdigest())
    return file


def _not_searched(settings: Settings) -> list[str]:
    """Stores that don't stand in the home, in words: what a certificate can't speak for."""
    places = ", ".join(str(place) for place in backup_places(settings)) or "the home"
    outside = [f"copies that readers have made, and backups that were taken away from {places}"]
    if settings.is_external_broker:
        outside.append("the broker's disks: it deletes what was cut off at its next look at retention")
    own = (settings.postgresql_url("control"), settings.postgresql_url("airflow"))
    for url in _databases(settings):
        if url not in own:
            shown = make_url(url).render_as_string(hide_password=True)
            outside.append(f"files of the server of {shown}: its values were searched, its write-ahead log was not")
    return outside
