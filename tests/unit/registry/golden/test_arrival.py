"""Whatever the order in which cases arrive, and however they are cut into increments, the registry is the same."""

import random
from pathlib import Path

import pytest
from small_lake import CID, DORJI, PEMA, SONAM, TRANSFER, Record, SmallLake, card, move, visit

from datacentre.contracts import Contract


def stories() -> list[list[Record]]:
    """Cases whose own records arrive in their order, as one partition keeps them, with all that can happen to them."""
    amended = card("CID-2", PEMA, "2025-06-01", birth_date="1991-05-17")
    corrected = card("CID-3", SONAM, "2025-03-01", given_name="Sonma")
    (_, _, said), *_ = card("CID-3", SONAM, "2025-03-01", given_name="Sonam")
    corrected.append((CID, "CID-3", {**(said or {}), "event_id": "CID-3-1b", "corrects_event_id": "CID-3-1"}))
    moved = move("CT-1", PEMA, "BT0803", "2025-02-10", member_cids=[SONAM], household_number="14-0005-123")
    deleted = [*move("CT-2", SONAM, "BT0104", "2025-05-10"), (TRANSFER, "CT-2", None)]
    phones = [visit(f"V-{n}", PEMA, f"2025-03-0{n}", "arrived", phone=f"+9751700000{n}") for n in (1, 2)]
    return [card("CID-1", PEMA), amended, corrected, moved, [*moved], deleted, card("CID-4", DORJI), *phones]


def shuffled(dice: random.Random) -> list[Record]:
    left, order = [list(story) for story in stories()], []
    while left:
        story = dice.choice(left)
        order.append(story.pop(0))
        left = [s for s in left if s]
    return order


def state(lake: SmallLake) -> list[object]:
    """What is believed; when it was known, and where it lies in the topic, may differ."""
    found: list[object] = []
    for cid in (PEMA, SONAM, DORJI):
        person = lake.person(cid)
        assert person is not None
        found += [(n, a.value, a.origin.event_id, a.confidence, a.because) for n, a in person.attributes.items()]
        found += [(c.attribute, c.taken, c.other, c.other_origin.event_id) for c in person.conflicts]
        found.append(person.household_key)
    return found


@pytest.mark.parametrize("seed", range(2))
def test_any_order_of_arrival_gives_the_same_state(tmp_path: Path, contracts: dict[str, Contract], seed: int) -> None:
    key = (tmp_path / "first" / "keys" / "pseudonym.json", tmp_path / "second" / "keys" / "pseudonym.json")
    first = SmallLake(tmp_path / "first", contracts)
    first.send([record for story in stories() for record in story])
    first.refresh()
    key[1].parent.mkdir(parents=True)
    key[1].write_bytes(key[0].read_bytes())
    second, dice = SmallLake(tmp_path / "second", contracts), random.Random(seed)
    order = shuffled(dice)
    while order:
        count = dice.randint(8, 25)
        second.send(order[:count])
        del order[:count]
        second.refresh()
    assert state(second) == state(first)
    assert ("birth_date", "1990-05-17", "1991-05-17", "CID-2-1") in state(first)
