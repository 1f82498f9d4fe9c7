"""Questions that are answered together get their own answers."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from connectors.sources.gateway.check import Broken, GroupedCheck, KeyReader, Message
from datacentre.contracts import Contract
from datacentre.settings import REPOSITORY

STREAM = "dot__departures"
GOOD: dict[str, Any] = json.loads((REPOSITORY / "schemas" / "samples" / f"{STREAM}.jsonl").read_bytes().splitlines()[0])


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[STREAM]


@pytest.fixture
def check(contract: Contract) -> Iterator[GroupedCheck]:
    check = GroupedCheck(contract)
    yield check
    check.close()


def messages(contract: Contract, *passengers: int) -> list[Message]:
    reader = KeyReader(contract)
    return [reader.message(json.dumps({**GOOD, "passengers": number}).encode()) for number in passengers]


def test_each_question_is_answered_by_its_own_positions(check: GroupedCheck, contract: Contract) -> None:
    async def ask_all() -> Sequence[Broken]:
        questions = [messages(contract, *(900 if n == wrong else 1 for n in range(wrong + 2))) for wrong in range(30)]
        return await asyncio.gather(*(check.broken(question) for question in questions))

    assert asyncio.run(ask_all()) == [{wrong: ("passengers.range",)} for wrong in range(30)]


def test_a_question_that_was_given_up_leaves_the_others_alone(check: GroupedCheck, contract: Contract) -> None:
    async def ask() -> Broken:
        first = asyncio.create_task(check.broken(messages(contract, 1)))
        await asyncio.sleep(0)
        given_up = asyncio.create_task(check.broken(messages(contract, 900)))
        last = asyncio.create_task(check.broken(messages(contract, 1, 900)))
        await asyncio.sleep(0)
        given_up.cancel()
        await first
        return await last

    assert asyncio.run(ask()) == {1: ("passengers.range",)}


def test_a_failing_check_fails_its_questions_and_goes_on(check: GroupedCheck, contract: Contract) -> None:
    async def ask() -> Broken:
        with pytest.raises(TypeError):
            await check.broken([Message(b"k", 5)])  # type: ignore[arg-type]
        return await check.broken(messages(contract, 900))

    assert asyncio.run(ask()) == {0: ("passengers.range",)}


@pytest.mark.parametrize("value", [b"{}", b"[]", b"{", b'{"flight_id":5}', b'{"flight_id":"\xff"}', b"[" * 100_000])
def test_a_key_that_can_not_be_read_is_empty(contract: Contract, value: bytes) -> None:
    assert KeyReader(contract).message(value) == (b"", value)


def test_the_key_is_the_contract_s_field(contract: Contract) -> None:
    assert KeyReader(contract).message(b'{"a":{"flight_id":1},"flight_id":"K\\u0042"}').key == b"KB"
