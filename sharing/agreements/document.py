"""An agreement's file, as pydantic checks its shape."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Some = Annotated[tuple[Text, ...], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MartGrantDocument(_Part):
    purposes: Some
    columns: Some
    row_filter: Text | None = None


class StreamGrantDocument(MartGrantDocument):
    edge: Literal["certified", "live"] = "certified"


class AgreementDocument(_Part):
    """What isn't named is denied, so nothing has a default that gives something."""

    id: Code
    consumer: Code
    title: Text
    legal_basis: Text
    valid_from: date
    expires: date
    pseudonym_scope: Code
    purposes: Annotated[dict[Code, Text], Field(min_length=1)]
    marts: dict[str, MartGrantDocument]
    streams: dict[str, StreamGrantDocument]
    lookups: dict[str, Some]
