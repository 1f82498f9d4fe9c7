"""What verify says of one partition."""

import numpy as np
import pytest

from datacentre.errors import CheckFailed
from datacentre.stages.verify import PartitionReport, compare, require_agreement

TOPIC = list(range(10, 20))
GOOD = {
    "landed": [10, 11, 12, 13, 14, 15, 16],
    "quarantine": [17, 18, 19],
    "identified": [10, 12, 14],
    "deleted": [],
    "vault": [10, 12, 14],
}


def report(topic: list[int] = TOPIC, position: int = 20, first: int = 10, **changed: list[int]) -> PartitionReport:
    held = {name: np.asarray(offsets, dtype=np.int64) for name, offsets in (GOOD | changed).items()}
    return compare("dot__departures", 0, np.asarray(topic, dtype=np.int64), held, first, position)


def test_what_fits_has_no_difference() -> None:
    good = report()
    assert good.differences == ()
    assert (good.topic, good.landed, good.quarantined, good.identified, good.vault) == (10, 7, 3, 3, 3)


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"landed": [10, 11, 14, 15, 16]}, "in the topic, lost: 2 (12-13)"),
        ({"landed": [10, 11, 12, 13, 14, 15, 15, 16]}, "twice in landed: 1 (15)"),
        ({"quarantine": [16, 17, 18, 19]}, "both landed and quarantined: 1 (16)"),
        ({"quarantine": [17, 18, 19, 20]}, "in the lake, not in the topic: 1 (20)"),
        ({"vault": [10, 12]}, "landed with an identity, not in vault: 1 (14)"),
        ({"vault": [10, 11, 12, 14]}, "in vault, not landed with an identity: 1 (11)"),
        ({"vault": [10, 10, 12, 14]}, "twice in vault: 1 (10)"),
    ],
)
def test_a_difference_is_named_with_its_offsets(changed: dict[str, list[int]], difference: str) -> None:
    assert difference in report(**changed).differences


def test_what_is_not_landed_yet_is_told_apart_from_what_is_lost() -> None:
    late = report(position=15, landed=[10, 11, 13, 14], quarantine=[], identified=[10, 14], vault=[10, 14])
    assert late.differences == ("in the topic, lost: 1 (12)", "in the topic, not yet landed: 5 (15-19)")


def test_offsets_that_the_topic_let_go_are_counted_apart() -> None:
    aged = report(topic=TOPIC[4:], first=14)
    assert (aged.expired, aged.differences) == (4, ())


def test_a_deleted_record_may_be_forgotten_or_not_yet() -> None:
    assert report(deleted=[12]).differences == ()
    forgotten = report(deleted=[12], vault=[10, 14])
    assert (forgotten.differences, forgotten.identified, forgotten.vault) == ((), 2, 2)


def test_many_gaps_are_shortened() -> None:
    (lost, *_) = report(
        topic=list(range(10, 40, 2)), position=40, landed=[], quarantine=[], identified=[], vault=[]
    ).differences
    assert lost == "in the topic, lost: 15 (10, 12, 14, 16, 18, ...)"


def test_agreement_is_required_of_all_partitions() -> None:
    require_agreement([report()])
    with pytest.raises(CheckFailed, match=r"1 of 2 .*dot__departures partition 0: in the topic, lost: 1 \(13\)"):
        require_agreement([report(), report(landed=[10, 11, 12, 14, 15, 16])])
