"""`python -m datacentre.contracts.drift`: are the generated files what the contracts say, and the contracts what
was published?

With `--write` it writes the files, removes those of contracts that are gone, and publishes first versions.
"""

import sys
from pathlib import Path

from datacentre.contracts.generate import drift, generated_files
from datacentre.contracts.load import load_contracts
from datacentre.contracts.versions import publish, published_versions, unpublished
from datacentre.settings import from_environment


def write(schemas: Path, dbt_project: Path) -> None:
    """Bring the generated files in line with the contracts."""
    files = generated_files(load_contracts(schemas), dbt_project, schemas)
    for folder in {path.parent for path in files}:
        for left_over in {*folder.glob("stg_*.sql"), *folder.glob("*.json")} - set(files):
            left_over.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def publish_first_versions(schemas: Path) -> None:
    for key, contract in load_contracts(schemas).items():
        if not published_versions(schemas, key):
            publish(contract, schemas / "contracts" / f"{key}.yaml", schemas)


def main() -> int:
    settings = from_environment()
    if "--write" in sys.argv[1:]:
        write(settings.schemas, settings.dbt_project)
        publish_first_versions(settings.schemas)
    contracts = load_contracts(settings.schemas)
    found = drift(contracts, settings.dbt_project, settings.schemas)
    files = ((c, settings.contracts / f"{key}.yaml") for key, c in contracts.items())
    found += [problem for c, file in files if (problem := unpublished(c, file, settings.schemas))]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
