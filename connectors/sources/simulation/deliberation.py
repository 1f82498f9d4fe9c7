"""Citizens agree, disagree or pass on each other's statements; opinion groups lie underneath.

Every participant belongs to one of three latent groups, every statement is liked by each group to its
own degree: what an analysis of opinion groups should find again.
"""

from random import Random

from connectors.sources.simulation.clock import DAY, Clock
from connectors.sources.simulation.record import Event, Fields

VOTE_STREAM = "pmo__deliberation_vote"

_GROUPS = 3
_PARTICIPANTS = 4_000
_CONVERSATIONS = {
    "hospital-appointments": (
        "Appointments should open when the clinic has room, not by a fixed cap.",
        "Walk-ins from far dzongkhags should be seen first.",
        "Who misses two appointments should lose the right to book for a month.",
        "A reminder by SMS is enough to end most no-shows.",
        "Elderly people need a desk where somebody books for them.",
        "Evening clinics are worth the extra pay of the staff.",
        "Waiting times of each department should be public.",
        "Specialists should travel to the regional hospitals every month.",
    ),
    "once-only-papers": (
        "No office should ask for a paper another office already has.",
        "I want to see who looked at my data.",
        "Census transfers should be granted without a visit to the old gewog.",
        "Paper forms must stay for those who want them.",
        "A card lost in a flood should be replaced free of charge.",
        "Offices should publish how long each service takes them.",
        "My village data should not leave the gewog office.",
    ),
    "visitors-and-fees": (
        "The daily fee should be lower in the off season.",
        "Income from visitors should go to the gewogs they visit.",
        "There are too many visitors in the west and too few in the east.",
        "Guides should be licensed by their languages.",
        "Trekking routes should have a limit per day.",
        "Visitors should be asked what they would pay for, not only what they liked.",
    ),
}


class Deliberations:
    """Opens voting sessions: one participant goes through some statements of one conversation."""

    def __init__(self, clock: Clock, population_seed: int, seed: str):
        self._random = Random(f"{seed}/votes")
        self._clock = clock
        settled = Random(f"{population_seed}/deliberation")
        self._keys = [f"{settled.getrandbits(128):032x}" for _ in range(_PARTICIPANTS)]
        self._liking = {
            name: [[settled.choice((0.12, 0.5, 0.88)) for _ in range(_GROUPS)] for _ in texts]
            for name, texts in _CONVERSATIONS.items()
        }
        self._opened: dict[str, int] = dict.fromkeys(_CONVERSATIONS, 0)
        self._seen, self._today = dict(self._opened), 0
        self._names = list(_CONVERSATIONS)

    def weight(self, day: int) -> float:
        return 0.8 if self._clock.is_open(day) else 1.4

    def case(self, day: int) -> list[Event]:
        rnd = self._random.random
        if day != self._today:
            # A statement is seen by others from the next day on, so nobody votes before it stands.
            self._seen, self._today = dict(self._opened), day
        name = self._names[int(rnd() * len(self._names))]
        participant = int(rnd() * _PARTICIPANTS)
        key = self._keys[participant]
        at = day * DAY + (64_800 if rnd() < 0.7 else 28_800) + int(rnd() * 14_400)
        events: list[Event] = []
        for statement in range(self._seen[name]):
            if rnd() < 0.75:
                vote = self._vote(self._liking[name][statement][participant % _GROUPS])
                events.append((VOTE_STREAM, key, at, self._fields(name, statement, key, vote)))
                at += 4 + int(rnd() * 25)
        for statement in self._new_statements(name):
            fields = self._fields(name, statement, key, "agree")
            fields["statement_text"] = _CONVERSATIONS[name][statement]
            events.append((VOTE_STREAM, key, at, fields))
            at += 60 + int(rnd() * 120)
        return events

    def _new_statements(self, name: str) -> range:
        """Who opens a conversation seeds it with half of the statements; others add one at a time."""
        texts, opened = len(_CONVERSATIONS[name]), self._opened[name]
        added = texts // 2 if opened == 0 else int(opened < texts and self._random.random() < 0.3)
        self._opened[name] += added
        return range(opened, opened + added)

    def _fields(self, name: str, statement: int, key: str, vote: str) -> Fields:
        return {
            "conversation_id": name,
            "statement_id": f"s-{statement + 1:03d}",
            "participant_key": key,
            "vote": vote,
        }

    def _vote(self, liking: float) -> str:
        u = self._random.random()
        return "pass" if u < 0.1 else "agree" if (u - 0.1) / 0.9 < liking else "disagree"
