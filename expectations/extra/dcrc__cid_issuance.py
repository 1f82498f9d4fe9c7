"""Identity card applications: what only many steps together can show."""

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

COLUMNS = {"submitted_with_type": "case when step = 'submitted' then application_type is not null end"}


def expectations() -> list[Expectation]:
    """The type of an application is known from its submission on."""
    return [
        # The form asks for the type first. Half of fifty without it: the source has lost the column, and
        # every turnaround by type would be wrong.
        gxe.ExpectColumnValuesToBeInSet(
            column="submitted_with_type",
            value_set=[True],
            mostly=0.5,
            severity=FailureSeverity.CRITICAL,
            meta={"rule": "extra.application_type_lost", "min_values": 50},
        ),
        # Mobile teams add the type when they are back online: one in ten may lack it on arrival.
        gxe.ExpectColumnValuesToBeInSet(
            column="submitted_with_type",
            value_set=[True],
            mostly=0.9,
            severity=FailureSeverity.WARNING,
            meta={"rule": "extra.application_type_known", "min_values": 50},
        ),
    ]
