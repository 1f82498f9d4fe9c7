"""Settings: read once from the environment, then passed on as one frozen object."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from datacentre.channel_urls import mail_route, require_webhook
from datacentre.errors import ContractError

_LAST_PORT = 65_534
KAFKA_CLIENTS = ("kafka-python", "librdkafka")
DATABASES = ("sqlite", "postgresql")
POSTGRESQL_USER = "datacentre"
REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """Where things are and how much is taken at a time.

    `kafka_client` is one of KAFKA_CLIENTS. A sink's memory is bounded by `flush_bytes`: it stops reading when
    three times as much waits to be written. `session_seconds` is how long a silent sink keeps its partitions.
    A stream of which more than `poison_percent` of a window of records fail is stopped. With a
    `metrics_port` above 0 a sink tells its figures there, for Prometheus. It keeps a stream's tables up after
    `upkeep_commits` of its commits.

    `database` is one of DATABASES: where this home keeps its control store and Airflow's metadata, but for a store
    that is named by its URL; empty, and so SQLite, until the first `up` decides. `control_url` and
    `airflow_database_url` are SQLAlchemy's.

    Backups go to `backup_folder`, a folder of the home where it is empty, and are deleted after `backup_days`.

    Single validations are kept for `validation_days`, and the sums of their hours; sums of days for good.

    Alerts go to `alert_webhook` as JSON and by mail to `alert_smtp`; both may hold a secret, so they aren't shown.

    Paths are absolute. `flush_rows` and `flush_bytes` bound one batch of the sink per stream,
    `flush_seconds` the age of its oldest record. A sink with a `sink_instance` keeps its place in
    the consumer group over a restart; no two running sinks may have the same.
    """

    home: Path
    schemas: Path
    dbt_project: Path
    bootstrap_servers: str
    is_external_broker: bool
    kafka_port: int
    airflow_port: int
    gateway_port: int
    control_url: str
    jar_cache: Path
    flush_rows: int
    flush_bytes: int
    flush_seconds: float
    sink_instance: str
    kafka_client: str = KAFKA_CLIENTS[0]
    session_seconds: float = 10.0
    poison_percent: float = 50.0
    metrics_port: int = 0
    upkeep_commits: int = 100
    database: str = ""
    postgresql_port: int = 15_432
    airflow_database: str = ""
    validation_days: int = 7
    alert_webhook: str = field(default="", repr=False)
    alert_smtp: str = field(default="", repr=False)
    backup_folder: str = ""
    backup_days: int = 30
    serve_port: int = 18_092

    @property
    def contracts(self) -> Path:
        return self.schemas / "contracts"

    @property
    def reference(self) -> Path:
        return self.schemas / "reference"

    @property
    def mappings(self) -> Path:
        return self.schemas / "mappings"

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    @property
    def marts(self) -> Path:
        return self.home / "marts"

    @property
    def backups(self) -> Path:
        return Path(self.backup_folder) if self.backup_folder else self.home / "backups"

    @property
    def validation_pages(self) -> Path:
        return self.home / "docs" / "validation"

    @property
    def database_file(self) -> Path:
        """Says which database this home has, once that was decided."""
        return _database_file(self.home)

    @property
    def postgresql_passfile(self) -> Path:
        """The server's password, as libpq reads it (PostgreSQL manual, 32.16 "The Password File")."""
        return _passfile(self.home)

    @property
    def own_control_url(self) -> str:
        """The control store that this home keeps itself, whether it is the one in use or not."""
        return _own_store(self.home, self.database, self.postgresql_port)

    @property
    def airflow_database_url(self) -> str:
        if self.airflow_database:
            return self.airflow_database
        if self.database == "postgresql":
            return self.postgresql_url("airflow")
        return f"sqlite:///{self.home / 'airflow' / 'airflow.db'}"

    def postgresql_url(self, name: str) -> str:
        """One database of this home's own server."""
        return _postgresql_url(self.home, self.postgresql_port, name)

    @property
    def run(self) -> Path:
        """Process records and logs of the services this home has started."""
        return self.home / "run"


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raises ContractError for a value that can't be used.

    One variable is read elsewhere, when the process starts, and is for fault tests only: `datacentre.crash_points`.
    """
    env = os.environ if environment is None else environment
    home = Path(env.get("DATACENTRE_HOME", "var")).expanduser().resolve()
    database = _database(env, home)
    postgresql_port = _port(env, "DATACENTRE_POSTGRESQL_PORT", 15_432)
    own_store = _own_store(home, database, postgresql_port)
    kafka_port = _port(env, "DATACENTRE_KAFKA_PORT", 19092)
    external = env.get("KAFKA_BOOTSTRAP_SERVERS", "")
    cache = Path(env.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    return Settings(
        home=home,
        schemas=Path(env.get("DATACENTRE_SCHEMAS", REPOSITORY / "schemas")).expanduser().resolve(),
        dbt_project=Path(env.get("DATACENTRE_DBT_PROJECT", REPOSITORY / "dbt_project")).expanduser().resolve(),
        bootstrap_servers=external or f"127.0.0.1:{kafka_port}",
        is_external_broker=bool(external),
        kafka_port=kafka_port,
        airflow_port=_port(env, "DATACENTRE_AIRFLOW_PORT", 18080),
        gateway_port=_port(env, "DATACENTRE_GATEWAY_PORT", 18090),
        control_url=env.get("DATACENTRE_CONTROL_URL") or own_store,
        jar_cache=Path(env.get("DATACENTRE_JAR_CACHE", cache / "datacentre" / "jars")).expanduser(),
        flush_rows=_positive_integer(env, "DATACENTRE_FLUSH_ROWS", 100_000),
        flush_bytes=_positive_integer(env, "DATACENTRE_FLUSH_BYTES", 15 * 1024 * 1024),
        flush_seconds=_positive_number(env, "DATACENTRE_FLUSH_SECONDS", 0.8),
        sink_instance=env.get("DATACENTRE_SINK_INSTANCE", ""),
        kafka_client=_one_of(env, "DATACENTRE_KAFKA_CLIENT", KAFKA_CLIENTS),
        session_seconds=_positive_number(env, "DATACENTRE_SESSION_SECONDS", 10.0),
        poison_percent=_positive_number(env, "DATACENTRE_POISON_PERCENT", 50.0),
        upkeep_commits=_positive_integer(env, "DATACENTRE_UPKEEP_COMMITS", 100),
        metrics_port=_port(env, "DATACENTRE_METRICS_PORT", 9464) if env.get("DATACENTRE_METRICS_PORT") else 0,
        database=database,
        postgresql_port=postgresql_port,
        airflow_database=env.get("DATACENTRE_AIRFLOW_DATABASE_URL", ""),
        validation_days=_positive_integer(env, "DATACENTRE_VALIDATION_DAYS", 7),
        alert_webhook=_checked(env.get("DATACENTRE_ALERT_WEBHOOK", ""), require_webhook),
        alert_smtp=_checked(env.get("DATACENTRE_ALERT_SMTP", ""), mail_route),
        backup_folder=_folder(env, "DATACENTRE_BACKUPS"),
        backup_days=_positive_integer(env, "DATACENTRE_BACKUP_DAYS", 30),
        serve_port=_port(env, "DATACENTRE_SERVE_PORT", 18_092),
    )


def _own_store(home: Path, database: str, port: int) -> str:
    return (
        _postgresql_url(home, port, "control") if database == "postgresql" else f"sqlite:///{home / 'control.sqlite'}"
    )


def _database(env: Mapping[str, str], home: Path) -> str:
    """What the home remembers, or the environment says; "" where neither does."""
    file = _database_file(home)
    remembered = file.read_text(encoding="ascii").strip() if file.exists() else ""
    said = env.get("DATACENTRE_DATABASE") or remembered
    if said not in ("", *DATABASES):
        raise ContractError(f"DATACENTRE_DATABASE={said!r} must be one of {', '.join(DATABASES)}")
    if remembered not in ("", said):
        raise ContractError(f"DATACENTRE_DATABASE={said}, but the state of {home} is in {remembered} ({file.name})")
    return said


def _folder(env: Mapping[str, str], name: str) -> str:
    """An absolute path; "" where nothing is set."""
    return str(Path(env[name]).expanduser().resolve()) if env.get(name) else ""


def _database_file(home: Path) -> Path:
    return home / "database"


def _passfile(home: Path) -> Path:
    return home / "postgresql" / "pgpass"


def _postgresql_url(home: Path, port: int, name: str) -> str:
    passfile = quote(str(_passfile(home)), safe="/")
    return f"postgresql+psycopg://{POSTGRESQL_USER}@127.0.0.1:{port}/{name}?passfile={passfile}"


def _checked(text: str, require: Callable[[str], object]) -> str:
    """A setting that may be left out."""
    if text:
        require(text)
    return text


def _positive_integer(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, str(default))
    if not text.isdigit() or int(text) == 0:
        raise ContractError(f"{name}={text!r} must be a positive whole number")
    return int(text)


def _one_of(env: Mapping[str, str], name: str, values: Sequence[str]) -> str:
    """A setting with a closed list of values, the first of them by default."""
    value = env.get(name, values[0])
    if value not in values:
        raise ContractError(f"{name}={value!r} must be one of {', '.join(values)}")
    return value


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    """A port whose next one is a port too."""
    port = _positive_integer(env, name, default)
    if port > _LAST_PORT:
        raise ContractError(f"{name}={port} must be at most {_LAST_PORT}")
    return port


def _positive_number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ContractError(f"{name}={text!r} must be a positive number")
    return value
