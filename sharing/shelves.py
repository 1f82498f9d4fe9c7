"""What consumers are answered from."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from datacentre.contracts import Contract, load_contracts
from datacentre.control.store import opened
from datacentre.errors import AccessDenied
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from lake.tables import has_tables
from sharing.agreement_book import AgreementBook
from sharing.agreements.model import Agreement
from sharing.catalogue import Catalogue
from sharing.cursor import CursorSeal
from sharing.forms import Form, PrefillAnswer, load_forms, own_form, prefill
from sharing.lookup import Lookup
from sharing.mart_docs import load_mart_docs
from sharing.mart_reader import MartReader
from sharing.permission import Permission, permission
from sharing.persons import Persons
from sharing.pseudonyms import load_scope
from sharing.stream_reader import StreamAnswer, StreamReader


@dataclass(frozen=True)
class Shelves:
    """One home's; `agreements` reads them as they are now."""

    home: Path
    lake: Path
    control: sa.Engine
    contracts: Mapping[str, Contract]
    agreements: Callable[[], Mapping[str, Agreement]]
    seal: CursorSeal
    marts: MartReader
    lookup: Lookup
    forms: Mapping[str, Form]
    catalogue: Catalogue

    def permission(self, consumer: str, purpose: str, key_id: str) -> Permission:
        """As of now; raises AccessDenied."""
        return permission(self.agreements().get(consumer), consumer, purpose, key_id, datetime.now(UTC).date())

    def read_stream(self, allowed: Permission, stream: str, cursor: str, limit: int) -> StreamAnswer:
        """One page of up to `limit` rows. Raises AccessDenied and InvalidCursor."""
        allowed.stream(stream)
        contract = self.contracts.get(stream)
        if contract is None:
            raise AccessDenied(f"{allowed.consumer}: {stream} isn't collected any more")
        scope = load_scope(self.home, allowed.agreement.pseudonym_scope)
        return StreamReader(self.lake, self.control, contract).read(self.seal, allowed, scope, cursor, limit)

    def prefill(self, allowed: Permission, form: str, person_key: str) -> PrefillAnswer:
        """Raises AccessDenied for a form of others, and where the purpose gives no lookups."""
        return prefill(self.lookup, own_form(self.forms, allowed, form), allowed, person_key)


@contextmanager
def opened_shelves(settings: Settings) -> Iterator[Shelves]:
    """Those of a home, closed at the end. Raises ContractError for a contract, agreement or form that can't be used."""
    home, contracts = settings.home, load_contracts(settings.schemas)
    forms, docs = load_forms(settings.schemas), load_mart_docs(settings.dbt_project)
    book = AgreementBook(settings.schemas, settings.dbt_project, contracts)
    book.current()
    persons, seal = Persons(home), CursorSeal(home)
    with opened(settings.control_url) as control:
        yield Shelves(
            home=home,
            lake=settings.lake,
            control=control,
            contracts=contracts,
            agreements=book.current,
            seal=seal,
            marts=MartReader(home, settings.dbt_project, seal),
            lookup=Lookup.over(persons, load_or_create(home, has_tables(settings.lake)), contracts.values()),
            forms=forms,
            catalogue=Catalogue(home, control, contracts, docs, forms),
        )
        persons.close()
