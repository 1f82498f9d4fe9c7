"""Everything Airflow is told: its folders, its secrets and its configuration, as environment variables."""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from datacentre.errors import ContractError
from datacentre.secret_file import write_once
from datacentre.services.ports import HOST
from datacentre.settings import REPOSITORY, Settings

USER = "admin"
DAGS = REPOSITORY / "dags"
_LOCAL_SETTINGS = Path(__file__).resolve().parent / "airflow_settings"


def airflow_home(settings: Settings) -> Path:
    return settings.home / "airflow"


def base_url(settings: Settings) -> str:
    return f"http://{HOST}:{settings.airflow_port}"


def migrated_file(settings: Settings) -> Path:
    """Exists once the metadata database fits the installed Airflow."""
    which = hashlib.sha256(settings.airflow_database_url.encode()).hexdigest()[:8]
    return airflow_home(settings) / f"migrated-{version('apache-airflow')}-{which}"


def passwords_file(settings: Settings) -> Path:
    """JSON object of user name to password, mode 0600; made on the first start."""
    return airflow_home(settings) / "passwords.json"


def password(settings: Settings) -> str:
    """The password of `USER`; raises ContractError before the first start."""
    try:
        return str(json.loads(passwords_file(settings).read_text(encoding="utf-8"))[USER])
    except (OSError, ValueError, KeyError) as error:
        raise ContractError(
            f"{passwords_file(settings)} holds no password for {USER}: start Airflow with `datacentre up`"
        ) from error


def environment(settings: Settings, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of Airflow's processes, and so of every task.

    Airflow variables of the caller are dropped, so that two homes never mix. Makes the secrets on the
    first call for a home.
    """
    outer = os.environ if inherited is None else inherited
    kept = {name: value for name, value in outer.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))}
    return kept | _settings(settings) | _process(kept) | _airflow(settings) | _secrets(settings)


def _settings(settings: Settings) -> dict[str, str]:
    """What `settings.from_environment` reads back to the same settings.

    But for the sink's instance: the task that lands is a second sink beside the one that streams.
    """
    return {
        "DATACENTRE_HOME": str(settings.home),
        "DATACENTRE_SCHEMAS": str(settings.schemas),
        "DATACENTRE_KAFKA_PORT": str(settings.kafka_port),
        "DATACENTRE_AIRFLOW_PORT": str(settings.airflow_port),
        "DATACENTRE_CONTROL_URL": settings.control_url,
        "DATACENTRE_DATABASE": settings.database,
        "DATACENTRE_POSTGRESQL_PORT": str(settings.postgresql_port),
        "DATACENTRE_AIRFLOW_DATABASE_URL": settings.airflow_database,
        "DATACENTRE_ALERT_WEBHOOK": settings.alert_webhook,
        "DATACENTRE_ALERT_SMTP": settings.alert_smtp,
        "DATACENTRE_BACKUPS": settings.backup_folder,
        "DATACENTRE_BACKUP_DAYS": str(settings.backup_days),
        "DATACENTRE_JAR_CACHE": str(settings.jar_cache),
        "DATACENTRE_FLUSH_ROWS": str(settings.flush_rows),
        "DATACENTRE_FLUSH_BYTES": str(settings.flush_bytes),
        "DATACENTRE_FLUSH_SECONDS": str(settings.flush_seconds),
        "DATACENTRE_SINK_INSTANCE": "",
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers if settings.is_external_broker else "",
    }


def _process(outer: Mapping[str, str]) -> dict[str, str]:
    path = [str(_LOCAL_SETTINGS), str(REPOSITORY), *filter(None, [outer.get("PYTHONPATH")])]
    no_proxy = [HOST, "localhost", *filter(None, [outer.get("NO_PROXY")])]
    return {
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        # Tasks report to the api-server over HTTP; a proxy must not get between.
        "NO_PROXY": ",".join(no_proxy),
        "no_proxy": ",".join(no_proxy),
        "GX_ANALYTICS_ENABLED": "false",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def _airflow(settings: Settings) -> dict[str, str]:
    home = airflow_home(settings)
    return {
        "AIRFLOW_HOME": str(home),
        "DATACENTRE_AIRFLOW_MIGRATED": str(migrated_file(settings)),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # Uncompressed, Airflow 3.3.2 asks for json #> varchar; from psycopg 3 PostgreSQL refuses it: no graph is drawn.
        "AIRFLOW__CORE__COMPRESS_SERIALIZED_DAGS": "True",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__MP_START_METHOD": "fork",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(settings)),
        # These three go together: with the port alone changed, tasks report to a port nobody serves.
        "AIRFLOW__API__PORT": str(settings.airflow_port),
        "AIRFLOW__API__BASE_URL": base_url(settings),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base_url(settings)}/execution/",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__WORKERS": "1",
        **_database(settings.airflow_database_url),
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.25",
        # The supervisor of a task may see its end only at the next heartbeat, by default 5 seconds later.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "30",
        # A task that died with its machine is taken up again after a minute instead of five.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(home / "logs" / "dag_processor"),
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    }


def _database(url: str) -> dict[str, str]:
    variables = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}
    if url.startswith("postgresql"):
        # Airflow's own choice would be asyncpg, a second driver for the same server.
        address = url.partition("://")[2]
        variables["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] = f"postgresql+psycopg_async://{address}"
    return variables


def _secrets(settings: Settings) -> dict[str, str]:
    _keep(passwords_file(settings), {USER: secrets.token_urlsafe(18)})
    path = airflow_home(settings) / "secrets.json"
    _keep(
        path,
        {
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
        },
    )
    kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def _keep(path: Path, content: Mapping[str, str]) -> None:
    """Write `content` as JSON, unless something is there already."""
    write_once(path, json.dumps(content).encode())
    path.parent.chmod(0o700)
