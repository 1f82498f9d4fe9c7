"""Look at reviews side by side, and split a record from the person whom it was linked to."""

import sqlalchemy as sa

from datacentre.contracts import load_contracts
from datacentre.control.identity import Event, Kind, append, events
from datacentre.control.identity_state import fold
from datacentre.errors import CheckFailed
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from registry.golden.mapping import load_mapping
from registry.golden.refresh import only_refresh, opened_work
from registry.identity.known_model import KnownModel, train
from registry.identity.sides import Side, places_of_case, sides
from registry.identity.tables import make_tables, speakers


def open_reviews(control: sa.Engine) -> list[Event]:
    """The oldest first."""
    return list(fold(events(control)).open_reviews.values())


def review_sides(settings: Settings, control: sa.Engine, number: int) -> tuple[Event, list[Side]]:
    """An open review with the values of both sides, for the reviewer's eyes only.

    Raises CheckFailed when no such review is open, SourceUnavailable while the registry is being refreshed.
    """
    found = [event for event in open_reviews(control) if event.number == number]
    if not found:
        raise CheckFailed(f"review {number} is not open; see: datacentre registry review list")
    with only_refresh(settings.home), opened_work(settings.home) as work:
        return found[0], sides(work, found[0])


def train_model(settings: Settings) -> KnownModel:
    """Raises CheckFailed where the registry has too little to learn from, SourceUnavailable while it is refreshed."""
    mapping = load_mapping(settings.schemas, load_contracts(settings.schemas))
    with only_refresh(settings.home), opened_work(settings.home) as work:
        make_tables(work)
        known = train(work, settings.home, speakers(mapping))
    if known is None:
        raise CheckFailed("too few records of registered persons tell name and birth date to learn from; link later")
    return known


def split(settings: Settings, control: sa.Engine, number: int, who: str, reason: str) -> int:
    """Give the records of a case, which event `number` has linked to somebody, a person of their own.

    Returns the number of the last event. Raises CheckFailed when the event has linked nothing, SourceUnavailable while
    the registry is being refreshed.
    """
    found = [event for event in events(control, [Kind.LINKED]) if event.number == number]
    if not found:
        raise CheckFailed(f"event {number} has linked no record; see: datacentre registry events")
    with only_refresh(settings.home), opened_work(settings.home) as work:
        founder, places = places_of_case(work, found[0])
    if not places:
        raise CheckFailed(f"the record that event {number} has linked no longer stands; nothing to split")
    own = load_or_create(settings.home, is_in_use=True).pseudonym(f"registry:{founder}")
    taken = [Event(Kind.SPLIT, who, reason, own, found[0].person_key, *place, about=number) for place in places]
    return append(control, taken)
