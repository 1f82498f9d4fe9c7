"""What becomes of a record by how probable its candidates are."""

import pytest

from registry.identity.judgement import Verdict, judge
from registry.linkage import Thresholds

LIMITS = Thresholds(review=0.5, linked=0.99)


@pytest.mark.parametrize(
    ("probabilities", "verdict"),
    [
        ((), Verdict.APART),
        ((0.49,), Verdict.APART),
        ((0.5,), Verdict.REVIEW),
        ((0.989,), Verdict.REVIEW),
        ((0.99,), Verdict.LINKED),
        ((0.999, 0.49), Verdict.LINKED),
        ((0.9999, 0.5), Verdict.REVIEW),
        ((0.995, 0.995), Verdict.REVIEW),
    ],
)
def test_only_one_sure_candidate_without_a_likely_second_is_linked(
    probabilities: tuple[float, ...], verdict: Verdict
) -> None:
    candidates = [(name, chance) for name, chance in zip("ab", probabilities, strict=False)]
    assert judge(candidates, LIMITS, is_contradicting=False).verdict is verdict


def test_somebody_elses_number_is_reviewed_however_sure_another_is() -> None:
    judgement = judge([("b", 0.6), ("a", 0.9999), ("c", 0.1)], LIMITS, is_contradicting=True)
    assert judgement.verdict is Verdict.REVIEW
    assert judgement.candidates == (("a", 0.9999), ("b", 0.6))
