"""Small rules that several kinds share."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from typing import Any, TypeVar

from timonel.api import names
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required

V = TypeVar("V")

IMMUTABLE = "field is immutable"


class Nowhere(Path):
    """A path that goes nowhere, for a first look: faults are rare, and working out where they would be is not free."""

    __slots__ = ()

    def child(self, *names: str) -> Path:
        """Itself."""
        return self

    def index(self, number: int) -> Path:  # type: ignore[override]  # as in Path
        """Itself."""
        return self

    def key(self, key: str) -> Path:
        """Itself."""
        return self


NOWHERE = Nowhere()


def repeats(values: Iterable[Hashable]) -> list[bool]:
    """Of each value, whether an equal one stands before it: found in one pass, as lists may be as long as a body."""
    seen: set[Hashable] = set()
    result = []
    for value in values:
        result.append(value in seen)
        seen.add(value)
    return result


def keys_are_valid(path: Path, keys: Iterable[str]) -> Iterator[FieldError]:
    """The keys of a ConfigMap or Secret do as file names."""
    for key in keys:
        for fault in names.config_key(key):
            yield invalid(path.key(key), key, fault)


def immutable(new: Any, old: Any, *fields: str, why: str, path: Path = Path("")) -> Iterator[FieldError]:  # noqa: B008
    """The fields of ``new`` are as in ``old``; the refusal says Forbidden."""
    for field in fields:
        if getattr(new, field) != getattr(old, field):
            yield forbidden(path.child(field), why)


def unchanged(new: Any, old: Any, *fields: str, path: Path = Path("")) -> Iterator[FieldError]:  # noqa: B008
    """The fields of ``new`` are as in ``old``; the refusal shows the new value."""
    for field in fields:
        if getattr(new, field) != getattr(old, field):
            yield invalid(path.child(field), getattr(new, field), IMMUTABLE)


def base64_size(texts: Iterable[str]) -> int:
    """How many bytes base64 texts stand for."""
    return sum(len(text) // 4 * 3 - text[-2:].count("=") for text in texts)


def one_of(path: Path, value: str | None, allowed: Collection[str], *, optional: bool = False) -> Iterator[FieldError]:
    """The value is one of some words, which the refusal names in their order."""
    if not value and not optional:
        yield required(path)
    elif value is not None and value not in allowed:
        yield not_supported(path, value, allowed)


def not_negative(path: Path, value: int | None) -> Iterator[FieldError]:
    """The number, where given, is 0 or more."""
    if value is not None and value < 0:
        yield invalid(path, value, "must be greater than or equal to 0")


def positive(path: Path, value: int | None) -> Iterator[FieldError]:
    """The number, where given, is 1 or more."""
    if value is not None and value < 1:
        yield invalid(path, value, "must be greater than 0")


def obeys(path: Path, value: V, rule: Callable[[V], Iterable[str]]) -> Iterator[FieldError]:
    """The value is as a rule, one of `names`, has it."""
    for fault in rule(value):
        yield invalid(path, value, fault)


def is_given(
    path: Path, value: str | None, rule: Callable[[str], Iterable[str]], why: str = ""
) -> Iterator[FieldError]:
    """The text is there, and is as a rule has it; ``why`` it must be."""
    if value:
        yield from obeys(path, value, rule)
    else:
        yield required(path, why)


def is_label(path: Path, value: str) -> Iterator[FieldError]:
    """The text is an RFC 1123 label."""
    return obeys(path, value, names.label)


def is_subdomain(path: Path, value: str) -> Iterator[FieldError]:
    """The text is an RFC 1123 subdomain."""
    return obeys(path, value, names.subdomain)


def is_qualified(path: Path, value: str) -> Iterator[FieldError]:
    """The text is a qualified name, as a label's key is."""
    return obeys(path, value, names.qualified)


def is_port(path: Path, value: int) -> Iterator[FieldError]:
    """The number is a port."""
    return obeys(path, value, names.port_number)


def is_domain_path(path: Path, value: str) -> Iterator[FieldError]:
    """The text is a path below a domain, as names of controllers are."""
    domain, slash, rest = value.partition("/")
    if not value:
        yield required(path)
    elif not slash or not domain or not rest:
        yield invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from is_subdomain(path, domain)
