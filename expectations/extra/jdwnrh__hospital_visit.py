"""Hospital visits: what only many events together can show."""

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

# Of those with a slot on whom a day closed, the share that came. No-shows are written when a department
# closes: a day without one is still running. One value per day, on its first row. Not as window functions:
# several of them in one query took DuckDB 2.0 minutes over 200,000 rows of one day.
_DAILY_ARRIVED_SHARE = """
case when (kafka_partition, kafka_offset) = (
  select min((day.kafka_partition, day.kafka_offset)) from landed as day
  where day.event_date = landed.event_date
) then (
  select case
    when count(*) filter (where event = 'no_show') > 0 and count(*) >= 50
    then count(*) filter (where event = 'arrived') / count(*)
  end
  from landed as day
  where day.event_date = landed.event_date
    and day.event in ('arrived', 'no_show') and day.slot_date is not null
) end"""

COLUMNS = {
    "booked_with_slot": "case when event = 'booked' then slot_date is not null end",
    "daily_arrived_share": _DAILY_ARRIVED_SHARE,
}


def expectations() -> list[Expectation]:
    """Slots of bookings, and the share of booked patients who come."""
    return [
        # Every booking has a slot. Half of fifty without one: the hospital's export has lost the column,
        # and appointments would be opened on departments that look empty.
        gxe.ExpectColumnValuesToBeInSet(
            column="booked_with_slot",
            value_set=[True],
            mostly=0.5,
            severity=FailureSeverity.CRITICAL,
            meta={"rule": "extra.booked_with_slot_lost", "min_values": 50},
        ),
        # A telephone booking may get its slot later the same day; more than one in twenty is worth a call.
        gxe.ExpectColumnValuesToBeInSet(
            column="booked_with_slot",
            value_set=[True],
            mostly=0.95,
            severity=FailureSeverity.WARNING,
            meta={"rule": "extra.booked_with_slot", "min_values": 50},
        ),
        # Published no-show rates of outpatient departments lie mostly between 5 and 50 % (review: Dantas
        # et al., Health Policy 122, 2018). Outside that, events are missing rather than patients.
        gxe.ExpectColumnValuesToBeBetween(
            column="daily_arrived_share",
            min_value=0.4,
            max_value=0.98,
            severity=FailureSeverity.WARNING,
            meta={"rule": "extra.daily_arrived_share", "min_values": 1},
        ),
    ]
