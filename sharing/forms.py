"""Forms of agencies: which of their fields the state already holds, and so needn't ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datacentre.errors import AccessDenied
from datacentre.located_yaml import LocatedYaml, read_located
from sharing.access_log.entry import Read
from sharing.agreements.check import ATTRIBUTES
from sharing.lookup import Known, Lookup, lookup_read
from sharing.permission import Permission


@dataclass(frozen=True)
class FormField:
    """A field of the form; `attribute` is the registry's, None where only the citizen can know."""

    name: str
    title: str
    attribute: str | None


@dataclass(frozen=True)
class Form:
    """A form of one consumer."""

    id: str
    title: str
    consumer: str
    fields: tuple[FormField, ...]


@dataclass(frozen=True)
class PrefilledField:
    """`state` is held, not_held or not_allowed; whether something is held that isn't allowed isn't told."""

    name: str
    title: str
    state: str
    known: Known | None = None


@dataclass(frozen=True)
class PrefillAnswer:
    form: Form
    fields: tuple[PrefilledField, ...]
    read: Read


def load_forms(schemas: Path) -> dict[str, Form]:
    """By id; raises ContractError with file, line and field."""
    return {form.id: form for form in map(_form, sorted((schemas / "forms").glob("*.yaml")))}


def own_form(forms: Mapping[str, Form], permission: Permission, form: str) -> Form:
    """Raises AccessDenied alike for a form of others and for one that isn't there."""
    if form not in forms or forms[form].consumer != permission.consumer:
        mine = ", ".join(f.id for f in forms.values() if f.consumer == permission.consumer) or "none"
        raise AccessDenied(f"{permission.consumer}: has no form {form[:80]!r}; it has {mine}")
    return forms[form]


def prefill(lookup: Lookup, form: Form, permission: Permission, person_key: str) -> PrefillAnswer:
    """Each field of the form in its order, with the value where the agreement gives it for the purpose."""
    allowed = permission.attributes()
    wanted = [f.attribute for f in form.fields if f.attribute in allowed and f.attribute]
    known = {k.attribute: k for k in lookup.known(person_key, wanted)}
    fields = tuple(_prefilled(field, allowed, known) for field in form.fields)
    return PrefillAnswer(form, fields, lookup_read(permission, "prefill", form.id, person_key, tuple(known.values())))


def _prefilled(field: FormField, allowed: tuple[str, ...], known: Mapping[str, Known]) -> PrefilledField:
    if field.attribute is not None and field.attribute not in allowed:
        return PrefilledField(field.name, field.title, "not_allowed")
    held = known.get(field.attribute or "")
    if held is None or not held.is_held:
        return PrefilledField(field.name, field.title, "not_held")
    return PrefilledField(field.name, field.title, "held", held)


def _form(file: Path) -> Form:
    read = read_located(file)
    for name in ("id", "title", "consumer"):
        if not isinstance(read.value.get(name), str):
            raise read.error((name,), "must be a text")
    if read.value["id"] != file.stem:
        raise read.error(("id",), f"must be the file's name, {file.stem}")
    fields = read.value.get("fields")
    if not isinstance(fields, list) or not fields:
        raise read.error(("fields",), "must be a list with a field at least")
    found = tuple(_field(read, position, field) for position, field in enumerate(fields))
    return Form(read.value["id"], read.value["title"], read.value["consumer"], found)


def _field(read: LocatedYaml, position: int, field: Any) -> FormField:
    where = ("fields", position)
    if not isinstance(field, dict) or not {"name", "title"} <= field.keys() <= {"name", "title", "attribute"}:
        raise read.error(where, "must have name and title, and may have attribute")
    attribute = field.get("attribute")
    if attribute is not None and attribute not in ATTRIBUTES:
        raise read.error(
            (*where, "attribute"), f"the registry holds no {attribute!r}; it holds {', '.join(ATTRIBUTES)}"
        )
    return FormField(str(field["name"]), str(field["title"]), attribute)
