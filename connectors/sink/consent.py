"""What an engineer has told the sink to go on with; without it the stream stays out and says why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Consent:
    """`start_partitions`: begin partitions that were added to a topic. `skip_lost`: go on behind offsets that
    retention removed before they were landed. `new_topic`: go on with a topic that was made anew."""

    start_partitions: bool = False
    skip_lost: bool = False
    new_topic: bool = False


NO_CONSENT = Consent()
