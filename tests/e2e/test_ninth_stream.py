"""Adding a stream takes one YAML and one sample file."""

import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from connectors.sources.file_source import send_file
from connectors.sources.producer import KafkaPythonProducer
from connectors.topics import create_topics
from datacentre.contracts import load_contract, load_contracts
from datacentre.contracts.drift import write
from datacentre.settings import Settings
from datacentre.stages.build import build
from datacentre.stages.check import check
from datacentre.stages.land import land
from lake.marts import published

pytestmark = pytest.mark.broker
CONTRACT = Path(__file__).parent / "moaf__crop_report.yaml"
SAMPLE = Path(__file__).parent / "moaf__crop_report.csv"


def test_one_yaml_and_one_file_make_a_stream(centre: Settings, tmp_path: Path) -> None:
    schemas = tmp_path / "schemas"
    shutil.copytree(centre.schemas, schemas)
    shutil.copy(CONTRACT, schemas / "contracts")
    project = tmp_path / "dbt_project"
    shutil.copytree(centre.dbt_project, project)
    write(schemas, project)  # what `make generate` does after a new contract
    centre = replace(centre, schemas=schemas, dbt_project=project)
    contracts = load_contracts(schemas)
    contract = load_contract(schemas / "contracts" / CONTRACT.name, schemas)
    create_topics(centre.bootstrap_servers, contracts.values())
    producer = KafkaPythonProducer(centre.bootstrap_servers)
    sent = send_file(contract, SAMPLE, None, producer, tmp_path / "rejects.jsonl", lambda count: None)
    producer.close()
    assert (sent.rows, sent.events, sent.rejected) == (4, 4, 0)

    land(centre)
    (checked,) = check(centre)
    assert (checked.stream, checked.rows_in, checked.rows_out) == ("moaf__crop_report", 3, 3)
    build(centre)
    with duckdb.connect(str(published(centre.marts)), read_only=True) as connection:
        rows = connection.execute(
            "select report_id, crop, harvested_kg from staging.stg_moaf__crop_report order by report_id"
        ).fetchall()
    assert rows == [("CR-1", "rice", 1200.5), ("CR-2", "maize", 800.0), ("CR-3", "rice", 0.0)]
