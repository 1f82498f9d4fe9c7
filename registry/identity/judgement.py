"""What becomes of a record by how probable its candidates are."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from registry.linkage import Thresholds

Candidate = tuple[str, float]
"""Pseudonym and probability."""


class Verdict(StrEnum):
    LINKED = "linked"
    REVIEW = "review"
    APART = "apart"


@dataclass(frozen=True)
class Judgement:
    """`candidates` are those above the threshold of a review, the most probable first."""

    verdict: Verdict
    candidates: tuple[Candidate, ...]
    reason: str


def judge(candidates: Sequence[Candidate], thresholds: Thresholds, is_contradicting: bool) -> Judgement:
    """Linked only where one candidate is nearly sure and no other is likely. A number that is somebody else's is never
    put aside without a review."""
    likely = tuple(sorted((c for c in candidates if c[1] >= thresholds.review), key=lambda c: (-c[1], c[0])))
    if is_contradicting:
        return Judgement(Verdict.REVIEW, likely, "name and birth date aren't those registered under the number")
    if not likely:
        return Judgement(Verdict.APART, (), "nobody registered is likely to be the same")
    if len(likely) > 1:
        return Judgement(Verdict.REVIEW, likely, f"{len(likely)} of the registered may be the same")
    if likely[0][1] < thresholds.linked:
        return Judgement(Verdict.REVIEW, likely, "one of the registered may be the same")
    return Judgement(Verdict.LINKED, likely, "one of the registered is nearly surely the same, and no other likely")
