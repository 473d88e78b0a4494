"""Chooses how an answer is written: its media type, and the object's form (as it is, a table, its metadata only)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"

META_GROUP = "meta.k8s.io"
META_VERSIONS = ("v1", "v1beta1")

COMPRESS_FROM = 128 * 1024
"""Bytes of an answer from which compressing pays, as in Kubernetes."""


class Form(StrEnum):
    """What an answer's object is turned into; the values are those of the `as` parameter."""

    PLAIN = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"


@dataclass(frozen=True, slots=True)
class MediaType:
    """One clause of an Accept header."""

    name: str
    quality: float = 1.0
    parameters: dict[str, str] = field(default_factory=dict)

    def matches(self, offered: str) -> bool:
        """Whether the clause, which may end in a wildcard, covers the media type `offered`."""
        if self.name in ("*/*", "*", offered):
            return True
        kind, _, subtype = self.name.partition("/")
        return subtype == "*" and offered.startswith(f"{kind}/")


@dataclass(frozen=True, slots=True)
class Choice:
    """The outcome of a negotiation."""

    media_type: str
    form: Form = Form.PLAIN
    version: str = "v1"
    """The meta.k8s.io version of the form."""

    @property
    def content_type(self) -> str:
        """The Content-Type header of an answer of this choice."""
        return self.media_type


def parse_accept(header: str) -> list[MediaType]:
    """The clauses of an Accept header, best first; equal qualities keep their order, and quality 0 is left out."""
    clauses = [clause for clause in map(_clause, header.split(",")) if clause is not None and clause.quality > 0]
    return sorted(clauses, key=lambda clause: -clause.quality)


def choose(
    accept: str, *, offered: Sequence[str] = (JSON, YAML), forms: frozenset[Form] = frozenset({Form.PLAIN})
) -> Choice | None:
    """The best acceptable media type and form; None means 406.

    A clause that asks for a form which the endpoint does not have is passed over, so that
    `application/json;as=Table;...,application/json` gets plain JSON there.
    """
    if not accept.strip():
        return Choice(offered[0])
    for clause in parse_accept(accept):
        for choice in _candidates(clause, offered):
            if choice.form in forms:
                return choice
    return None


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    return any(clause.name == "gzip" for clause in parse_accept(accept_encoding))


def _candidates(clause: MediaType, offered: Sequence[str]) -> Iterator[Choice]:
    form = clause.parameters.get("as", "")
    version = clause.parameters.get("v", "v1")
    if form not in set(Form):
        return
    if form and (clause.parameters.get("g") != META_GROUP or version not in META_VERSIONS):
        return
    for media_type in offered:
        if clause.matches(media_type):
            yield Choice(media_type, Form(form), version)


def _clause(text: str) -> MediaType | None:
    name, *rest = (part.strip() for part in text.split(";"))
    if not name:
        return None
    parameters: dict[str, str] = {}
    for part in rest:
        key, _, value = part.partition("=")
        parameters[key.strip().lower()] = value.strip().strip('"')
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 0.0
    return MediaType(name.lower(), quality, parameters)
