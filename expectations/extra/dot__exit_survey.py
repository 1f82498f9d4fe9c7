"""Exit survey: what only many responses together can show."""

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

COLUMNS = {"has_overall_rating": "case when not is_deleted then overall_rating is not null end"}


def expectations() -> list[Expectation]:
    """The distribution of the overall rating, and how often it is missing."""
    return [
        # Two hundred people don't give the same answer: a form that sends its default, or a stuck tablet.
        gxe.ExpectColumnStdevToBeBetween(
            column="overall_rating",
            min_value=0.05,
            severity=FailureSeverity.CRITICAL,
            meta={"rule": "extra.overall_rating_stuck", "min_values": 200},
        ),
        # On a scale of 1 to 5 a mean below 1.5 or above 4.9 over a hundred answers points to a reversed
        # scale or to an interviewer who fills in the forms.
        gxe.ExpectColumnMeanToBeBetween(
            column="overall_rating",
            min_value=1.5,
            max_value=4.9,
            severity=FailureSeverity.WARNING,
            meta={"rule": "extra.overall_rating_mean", "min_values": 100},
        ),
        # The question isn't compulsory. One in five left out biases the weighted mean more than its
        # margin of error at a few hundred answers, about 0.1.
        gxe.ExpectColumnValuesToBeInSet(
            column="has_overall_rating",
            value_set=[True],
            mostly=0.8,
            severity=FailureSeverity.WARNING,
            meta={"rule": "extra.overall_rating_missing", "min_values": 100},
        ),
    ]
