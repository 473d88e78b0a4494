"""Chooses how an answer is written: its media type, and the object's form (as it is, a table, its metadata only)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
STREAM = ";stream=watch"
"""What the media types of watches end in where they are named."""

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


Offers = Mapping[str, frozenset[Form]]
"""The media types that an endpoint has, the one for those who do not care first, each with the forms that it has."""

TEXTS: Offers = {JSON: frozenset({Form.PLAIN}), YAML: frozenset({Form.PLAIN})}
OBJECTS: Offers = {**TEXTS, PROTOBUF: frozenset({Form.PLAIN})}


@cache
def offers(forms: frozenset[Form], *, has_protobuf: bool = True, watch: bool = False) -> Offers:
    """What an endpoint of a resource has when it knows `forms`.

    Custom resources have no protobuf, but their metadata has; tables never have. Watches are not written as YAML.
    """
    binary = forms - {Form.TABLE} if has_protobuf else forms - {Form.TABLE, Form.PLAIN}
    return {JSON: forms, PROTOBUF: binary} if watch else {JSON: forms, YAML: forms, PROTOBUF: binary}


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


def parse_accept(header: str) -> list[MediaType]:
    """The clauses of an Accept header, best first; equal qualities keep their order, and quality 0 is left out."""
    clauses = [clause for clause in map(_clause, header.split(",")) if clause is not None and clause.quality > 0]
    return sorted(clauses, key=lambda clause: -clause.quality)


def choose(accept: str, offered: Offers = OBJECTS) -> Choice | None:
    """The best acceptable media type and form; None means 406.

    A clause that asks for a form which the endpoint does not have is passed over, so that
    `application/json;as=Table;...,application/json` gets plain JSON there.
    """
    if not accept.strip():
        return Choice(next(iter(offered)))
    for clause in parse_accept(accept):
        for choice in _candidates(clause, offered):
            if choice.form in offered[choice.media_type]:
                return choice
    return None


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    return any(clause.name == "gzip" for clause in parse_accept(accept_encoding))


def _candidates(clause: MediaType, offered: Offers) -> Iterator[Choice]:
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
