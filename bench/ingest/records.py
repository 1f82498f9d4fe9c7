"""Distinct records of the simulated government's hospital, kept on disk and sent into the topic."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import count, islice, repeat
from pathlib import Path

from bench.ingest.box import STREAM, Box
from connectors.sources.producer import LibrdkafkaProducer
from connectors.sources.simulation import DefectShares, generate
from datacentre import names
from datacentre.contracts import Contract, load_contracts

INVALID_SHARE = 0.002
UNTIL = datetime(2025, 12, 1, tzinfo=UTC)
_RECORDS_PER_SEED = 250_000
_HEADER = struct.Struct("<iib")
_PROCESSES = 2


def corpus(box: Box, records: int) -> list[Path]:
    """Files that hold `records` distinct hospital records between them or some more; made where they are missing.

    Each file is one seed's simulation: about 98,000 records of 340 bytes, 0.2 % of them invalid.
    """
    folder = box.settings.home / "corpus"
    folder.mkdir(exist_ok=True)
    files: list[Path] = []
    known = 0
    with ProcessPoolExecutor(_PROCESSES) as pool:
        seeds = count(1)
        while known < records:
            wave = [folder / f"{seed}.records" for seed in islice(seeds, _PROCESSES * 2)]
            list(pool.map(_make, [f for f in wave if not f.exists()], repeat(box.settings.schemas)))
            files += wave
            known += sum(_count(file) for file in wave)
    return files


def read(files: list[Path], with_defects: bool = True) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of every record, in the order in which they were generated."""
    for file in files:
        data = file.read_bytes()
        at = _HEADER.size
        while at < len(data):
            key_size, value_size, is_defective = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            if not is_defective or with_defects:
                yield data[at : at + key_size], data[at + key_size : at + key_size + value_size]
            at += key_size + value_size


def fill(box: Box, records: int, times: int = 1) -> int:
    """Make the stream's topic anew with `records` distinct records, sent `times` over; return how many it holds."""
    files = corpus(box, records)
    box.fresh_topics([box.stream])
    producer = LibrdkafkaProducer(box.servers)
    for _ in range(times):
        _send(producer, names.topic(STREAM), islice(read(files), records))
    return sum(box.end_offsets(box.stream).values())


def fill_clean(box: Box, topic: str, records: int) -> None:
    """Make `topic` anew with `records` records of which none has a defect."""
    box.fresh_plain_topic(topic, box.stream.partitions)
    clean = read(corpus(box, records + records // 50), with_defects=False)
    _send(LibrdkafkaProducer(box.servers), topic, islice(clean, records))


def _send(producer: LibrdkafkaProducer, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    for key, value in records:
        producer.send(topic, key, value)
    producer.flush()


def _make(file: Path, schemas: Path) -> None:
    contracts: Mapping[str, Contract] = load_contracts(schemas)
    seed = int(file.stem)
    made = generate(
        contracts, schemas / "reference", seed, _RECORDS_PER_SEED, UNTIL, DefectShares.spread(INVALID_SHARE)
    )
    written, number = bytearray(), 0
    for record in made:
        if record.stream == STREAM:
            value = record.value or b""
            written += _HEADER.pack(len(record.key), len(value), record.defect is not None) + record.key + value
            number += 1
    draft = file.with_suffix(".draft")
    draft.write_bytes(_HEADER.pack(number, 0, 0) + written)
    draft.rename(file)


def _count(file: Path) -> int:
    with file.open("rb") as opened:
        return int(_HEADER.unpack(opened.read(_HEADER.size))[0])
