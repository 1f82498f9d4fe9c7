"""Connections to an agency's database; what it says of a failure becomes one line without the password."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

import sqlalchemy as sa
from sqlalchemy import exc

from datacentre.errors import ContractError, DataCentreError, SourceUnavailable

_CONNECT_SECONDS = 10
_LONGEST_MESSAGE = 200


class SourceDatabase:
    """One database. Every statement is a transaction of its own, so that the agency's rows are never held."""

    def __init__(self, url: str, url_env: str):
        """Raises ContractError, naming the variable and never the URL, for a URL that can't be used."""
        try:
            parsed = sa.make_url(url)
            if parsed.drivername == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")
            options = {"connect_timeout": _CONNECT_SECONDS} if parsed.drivername == "postgresql+psycopg" else {}
            self._engine = sa.create_engine(
                parsed,
                isolation_level="AUTOCOMMIT",
                hide_parameters=True,
                pool_pre_ping=True,
                connect_args=options,
            )
        except exc.NoSuchModuleError:
            raise ContractError(f"{url_env}: SQLAlchemy knows no such database or driver") from None
        except (exc.ArgumentError, ValueError, TypeError):
            raise ContractError(f"{url_env}: is not a SQLAlchemy URL such as postgresql://user@host/name") from None
        except ModuleNotFoundError as problem:
            raise ContractError(f"{url_env}: the database's driver {problem.name} is not installed") from None
        self._url_env = url_env
        password = parsed.password or ""
        self._secrets = {password, quote(password, safe=""), quote_plus(password)} - {""}
        # Without user, password and options: those may hold secrets of their own.
        place = sa.URL.create(parsed.get_backend_name(), None, None, parsed.host, parsed.port, parsed.database)
        self.shown = place.render_as_string()

    @property
    def dialect(self) -> str:
        return self._engine.dialect.name

    @contextmanager
    def connected(self, subject: str) -> Iterator[sa.Connection]:
        """A connection; errors name `subject`, such as a table.

        Raises SourceUnavailable when the database doesn't answer, ContractError when it refuses a
        statement (no such column, no permission).
        """
        try:
            with self._engine.connect() as connection:
                yield connection
        except exc.DBAPIError as problem:
            raise self._told(problem, subject) from None
        except exc.TimeoutError:
            raise SourceUnavailable(f"the database of {self._url_env} gives no connection") from None

    def close(self) -> None:
        self._engine.dispose()

    def _told(self, problem: exc.DBAPIError, subject: str) -> DataCentreError:
        if isinstance(problem, exc.ProgrammingError):
            return ContractError(f"{subject}: the database refuses to read it: {self._line(problem)}")
        if isinstance(problem, exc.OperationalError | exc.InterfaceError) or problem.connection_invalidated:
            return SourceUnavailable(
                f"{subject}: the database of {self._url_env} ({self.shown}) doesn't answer: {self._line(problem)}"
            )
        # What a database says about data may quote the data.
        return ContractError(f"{subject}: the database can't read it ({type(problem.orig).__name__}); see its own log")

    def _line(self, problem: exc.DBAPIError) -> str:
        text = str(problem.orig).strip().partition("\n")[0]
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:_LONGEST_MESSAGE] or type(problem.orig).__name__
