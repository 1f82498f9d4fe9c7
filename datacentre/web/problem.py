"""What a request is refused with: a problem document as in RFC 9457."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A refusal: HTTP status, a short name of the kind, what to do next, and members of its own."""

    def __init__(
        self, status: int, name: str, detail: str, headers: Mapping[str, str] | None = None, **members: object
    ):
        super().__init__(detail)
        self.status, self.name, self.detail = status, name, detail
        self.headers = dict(headers or {})
        self.members = members

    def document(self) -> dict[str, Any]:
        return {
            "type": f"urn:datacentre:problem:{self.name}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
