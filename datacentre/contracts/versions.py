"""Published versions of a contract: what producers may still send, and what a new version may change.

`schemas/published/<key>/<version>.yaml` is a copy of each version as it was agreed. A record says which one it
was written to, and is judged by that one.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from datacentre.contracts.batch_rule_reader import without_batch_rules
from datacentre.contracts.model import Contract, Field
from datacentre.errors import ContractError
from datacentre.located_yaml import read_located

_FIXED = ("kafka_key", "time_zone", "deletes_by_key")
_FIXED_OF_FIELD = (
    "type",
    "item_type",
    "required",
    "classification",
    "pseudonym_column",
    "pattern",
    "minimum",
    "maximum",
    "min_length",
    "max_length",
    "allows_date_only",
    "code_list",
)


def published_file(schemas: Path, key: str, version: str) -> Path:
    return schemas / "published" / key / f"{version}.yaml"


def published_versions(schemas: Path, key: str) -> list[str]:
    """Version numbers, oldest first."""
    found = [f.stem for f in (schemas / "published" / key).glob("*.yaml")]
    return sorted(found, key=version_number)


def version_number(version: str) -> tuple[int, ...]:
    """`1.10.0` as (1, 10, 0); raises ContractError for anything else."""
    parts = version.split(".")
    if len(parts) != 3 or not all(p.isdigit() for p in parts):
        raise ContractError(f"version {version!r} must read major.minor.patch")
    return tuple(int(p) for p in parts)


def with_earlier(contract: Contract, earlier: list[Contract]) -> Contract:
    """The contract and the versions before it, newest first; raises ContractError where they don't fit together."""
    for old in earlier:
        if problems := list(incompatibilities(old, contract)):
            raise ContractError(
                f"{contract.key}: version {contract.version} doesn't fit {old.version}, which was published: "
                f"{'; '.join(problems)}. Only a field that is not required, or more allowed values, may be added; "
                f"anything else is a new stream"
            )
    newest_first = sorted(earlier, key=lambda c: version_number(c.version), reverse=True)
    return replace(contract, earlier=tuple(newest_first))


def incompatibilities(old: Contract, new: Contract) -> Iterator[str]:
    """What `new` breaks for producers or readers of `old`, in words that name the field and the rule."""
    for name in _FIXED:
        if getattr(old, name) != getattr(new, name):
            yield f"{name} was {getattr(old, name)!r}, is {getattr(new, name)!r}"
    fields = {f.name: f for f in new.fields}
    for field in old.fields:
        if field.name not in fields:
            yield f"field {field.name!r} is gone"
        else:
            yield from _changes(field, fields[field.name])
    known = {f.name for f in old.fields}
    for field in new.fields:
        if field.name not in known and field.required:
            yield f"field {field.name!r} is new and required"
    lost = {(r.name, r.expression) for r in new.record_rules} - {(r.name, r.expression) for r in old.record_rules}
    for name, _ in sorted(lost):
        yield f"record rule {name!r} is new or changed: records of {old.version} may break it"


def _changes(old: Field, new: Field) -> Iterator[str]:
    for name in _FIXED_OF_FIELD:
        if getattr(old, name) != getattr(new, name):
            yield f"field {old.name!r}: {name} was {getattr(old, name)!r}, is {getattr(new, name)!r}"
    if old.code_list is None and old.allowed != new.allowed:
        gone = set(old.allowed or ()) - set(new.allowed or ())
        if old.allowed is None or gone:
            yield f"field {old.name!r}: allowed values are gone: {', '.join(map(str, sorted(gone, key=str))) or 'any'}"


def publish(contract: Contract, source: Path, schemas: Path) -> Path:
    """Copy a contract that fits its earlier versions to the published ones; returns the copy.

    Raises ContractError when this version was published with another text, or is not above the last one.
    """
    target = published_file(schemas, contract.key, contract.version)
    if problem := unpublished(contract, source, schemas):
        if target.exists():
            raise ContractError(problem)
        known = published_versions(schemas, contract.key)
        if known and version_number(contract.version) <= version_number(known[-1]):
            raise ContractError(f"{source}: version {contract.version} must be above {known[-1]}, the last published")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return target


def unpublished(contract: Contract, source: Path, schemas: Path) -> str | None:
    """Why the contract file is not what was published under its version; None where it is, batch rules aside."""
    target = published_file(schemas, contract.key, contract.version)
    if not target.exists():
        return f"{source}: version {contract.version} is not published; run: datacentre contract publish {contract.key}"
    if target.read_bytes() != source.read_bytes() and _agreed(target) != _agreed(source):
        return (
            f"{source}: differs from what was published as version {contract.version}; raise its version, then run: "
            f"datacentre contract publish {contract.key}"
        )
    return None


def _agreed(file: Path) -> dict[str, Any]:
    return without_batch_rules(read_located(file).value)
