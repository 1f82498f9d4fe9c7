"""How keys are shown: once whole when they are made, later by id."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from datacentre.cli.console import out, print_json, print_table
from datacentre.web.api_keys import ApiKey


@dataclass(frozen=True)
class KeyKind:
    """One kind of keys; `holder` and `may` are the fields that say whose a key is, and what it is good for."""

    title: str
    holder: str
    may: str

    def print_new(self, key: ApiKey, text: str, is_json: bool) -> None:
        """With its text, which is shown this once."""
        said = asdict(key)
        holder, may = said[self.holder], said[self.may]
        if is_json:
            print_json({"id": key.id, self.holder: holder, self.may: may, "expires_at": key.expires_at, "key": text})
            return
        out.print(f"key {key.id} of {holder} for {', '.join(may)}, until {key.expires_at:%Y-%m-%d}; shown this once:")
        out.print(text, markup=False, highlight=False)

    def print_all(self, keys: Iterable[ApiKey], is_json: bool) -> None:
        rows = [self._row(key) for key in keys]
        if is_json:
            print_json(rows)
            return
        columns = ["id", self.holder, self.may, "expires", "state"]
        print_table(self.title, columns, [[row[c] for c in columns] for row in rows])

    def print_revoked(self, key: ApiKey) -> None:
        out.print(f"key {key.id} of {asdict(key)[self.holder]} is revoked")

    def _row(self, key: ApiKey) -> dict[str, object]:
        said = asdict(key)
        return {
            "id": key.id,
            self.holder: said[self.holder],
            self.may: ", ".join(said[self.may]),
            "expires": f"{key.expires_at:%Y-%m-%d}",
            "state": key.state(datetime.now(UTC)),
        }
