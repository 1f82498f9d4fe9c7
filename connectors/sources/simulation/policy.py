"""What was changed, where, to reach which target: planned, put in force, revised, ended."""

from random import Random

from connectors.sources.simulation.clock import DAY, Clock
from connectors.sources.simulation.record import Event, Fields
from connectors.sources.simulation.reference import Reference

POLICY_STREAM = "pmo__policy_action"

_ACTIONS = (
    (
        "jdwnrh",
        "Open appointments by the room left in the department",
        "hospital.wait_minutes.median",
        30,
        "minutes",
    ),
    ("jdwnrh", "Remind patients by SMS two days before the slot", "hospital.no_show.share", 0.1, "share"),
    ("dcrc", "Print identity cards in the thromde offices", "cid_issuance.turnaround_days.median", 4, "days"),
    (
        "dcrc",
        "Verify the origin of a census transfer without a visit",
        "census_transfer.turnaround_days.p90",
        15,
        "days",
    ),
    ("dot", "Ask the exit survey in the language of the group", "exit_survey.response.share", 0.25, "share"),
    (
        "rcsc",
        "Publish the feedback of each office every month",
        "service_feedback.rating.mean",
        4.2,
        "points",
    ),
    ("pmo", "Stop asking for papers another office holds", "once_only.asked_again.share", 0.05, "share"),
)


class PolicyActions:
    """Opens actions of an agency; each revision repeats the action with a higher number."""

    def __init__(self, clock: Clock, reference: Reference, seed: str, run: str):
        self._random = Random(f"{seed}/policy")
        self._clock, self._run, self._count = clock, run, 0
        departments = [department.code for department in reference.departments]
        self._scopes = {
            "jdwnrh": departments,
            "dcrc": list(reference.dzongkhags),
            "rcsc": [service.code for service in reference.services],
        }

    def weight(self, day: int) -> float:
        return 1.0 if self._clock.is_open(day) else 0.0

    def case(self, day: int) -> list[Event]:
        rnd, clock = self._random.random, self._clock
        self._count += 1
        owner, title, metric, target, unit = _ACTIONS[int(rnd() * len(_ACTIONS))]
        action = f"PA-{self._run}-{self._count:05d}"
        begins = clock.next_open_day(day + 3 + int(rnd() * 14))
        ends = begins + 28 + int(rnd() * 90)
        fields: Fields = {"action_id": action, "title": title, "owner_agency": owner}
        fields["scope_code"] = self._scope(owner)
        fields |= {"target_metric": metric, "target_value": target, "target_unit": unit}
        fields |= {"effective_from": clock.day_text[begins], "effective_to": clock.day_text[ends]}
        course = [("planned", day), ("cancelled" if rnd() < 0.1 else "active", begins)]
        if course[-1][0] == "active":
            if rnd() < 0.4:
                course.append(("active", clock.next_open_day(begins + 7 + int(rnd() * 14))))
            course.append(("ended", ends))
        return self._revisions(action, fields, course)

    def _revisions(self, action: str, fields: Fields, course: list[tuple[str, int]]) -> list[Event]:
        """Every revision has a higher number; one while active sets the target a little lower."""
        events: list[Event] = []
        for revision, (status, day) in enumerate(course, start=1):
            if status == "active" and revision == 3:
                fields = {**fields, "target_value": round(fields["target_value"] * 0.9, 3)}
            at = day * DAY + 32_400 + int(self._random.random() * 28_000)
            events.append((POLICY_STREAM, action, at, {**fields, "revision": revision, "status": status}))
        return events

    def _scope(self, owner: str) -> str:
        """One place, department or service, or the whole nation."""
        codes = self._scopes.get(owner)
        if not codes or self._random.random() < 0.4:
            return "BT"
        return codes[int(self._random.random() * len(codes))]
