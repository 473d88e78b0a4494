"""Label selectors, as strings and as LabelSelector structs, and field selectors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from timonel.api import names
from timonel.api.errors import BadRequest
from timonel.api.fields import FieldError, Path, invalid, quoted
from timonel.api.types import meta_v1


class Operator(StrEnum):
    """How a label is compared."""

    IN = "in"
    NOT_IN = "notin"
    EQUALS = "="
    DOUBLE_EQUALS = "=="
    NOT_EQUALS = "!="
    GREATER = "gt"
    LESS = "lt"
    EXISTS = "exists"
    MISSING = "!"


_ONE_VALUE = {Operator.EQUALS: "=", Operator.DOUBLE_EQUALS: "==", Operator.NOT_EQUALS: "!="}
_COMPARISONS = {Operator.GREATER: ">", Operator.LESS: "<"}
_BINARY = {op.value: op for op in (Operator.IN, Operator.NOT_IN)} | {
    sign: op for op, sign in (_ONE_VALUE | _COMPARISONS).items()
}
_STRUCT_OPERATORS = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.MISSING,
}
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


def _number(text: str) -> int | None:
    """A whole number of 64 bits; None for any other text."""
    number = int(text) if len(text) < 64 and _INTEGER.fullmatch(text) else None
    return number if number is not None and -(2**63) <= number < 2**63 else None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. `values` are sorted and distinct."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels meets the condition."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN | Operator.EQUALS | Operator.DOUBLE_EQUALS:
                return value in self.values
            case Operator.NOT_IN | Operator.NOT_EQUALS:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.MISSING:
                return value is None
        number, bound = _number(value or ""), _number(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if self.operator is Operator.GREATER else number < bound

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.MISSING:
                return f"!{self.key}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key} {self.operator} ({','.join(self.values)})"
        return f"{self.key}{(_ONE_VALUE | _COMPARISONS)[self.operator]}{self.values[0]}"

    def errors(self, path: Path) -> Iterable[FieldError]:
        """What breaks the rules of label keys and values."""
        if faults := names.qualified(self.key):
            yield invalid(path.child("key"), self.key, "; ".join(faults))
        values = path.child("values")
        if self.operator in (Operator.IN, Operator.NOT_IN) and not self.values:
            yield invalid(values, [], "for 'in', 'notin' operators, values set can't be empty")
        if self.operator in (Operator.EXISTS, Operator.MISSING) and self.values:
            yield invalid(values, list(self.values), "values set must be empty for exists and does not exist")
        for index, value in enumerate(self.values):
            if self.operator in _COMPARISONS and _number(value) is None:
                yield invalid(values.index(index), value, "for 'Gt', 'Lt' operators, the value must be an integer")
            if faults := names.label_value(value):
                yield invalid(values.index(index).key(self.key), value, "; ".join(faults))


@dataclass(frozen=True, slots=True)
class Selector:
    """All of its requirements, sorted by key; without any it selects everything, or nothing when it says so."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return not self.nothing and all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def everything(self) -> bool:
        """Whether it selects all objects."""
        return not self.nothing and not self.requirements

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def from_map(labels: Mapping[str, str]) -> Selector:
    """Selects what has all these labels; everything when there are none."""
    return Selector(tuple(Requirement(key, Operator.EQUALS, (value,)) for key, value in sorted(labels.items())))


def from_struct(selector: meta_v1.LabelSelector | None) -> Selector:
    """The selector of a LabelSelector: None selects nothing, an empty one everything.

    Raises BadRequest for an unknown operator, a bad key or a bad value.
    """
    if selector is None:
        return NOTHING
    requirements = [Requirement(key, Operator.EQUALS, (value,)) for key, value in selector.matchLabels.items()]
    for expression in selector.matchExpressions:
        operator = _STRUCT_OPERATORS.get(expression.operator)
        if operator is None:
            raise BadRequest(f"{quoted(expression.operator)} is not a valid label selector operator")
        requirements.append(Requirement(expression.key, operator, tuple(sorted(set(expression.values)))))
    try:
        return _sorted([_checked(requirement) for requirement in requirements])
    except ValueError as error:
        raise BadRequest(str(error)) from None


def parse_labels(text: str) -> Selector:
    """The selector that a `labelSelector` parameter writes: "app=web,tier in (a,b),!old".

    Raises BadRequest, in Kubernetes' words, when it cannot be understood.
    """
    return _sorted(_Parser(text).requirements())


def _sorted(requirements: list[Requirement]) -> Selector:
    return Selector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))


def _checked(requirement: Requirement) -> Requirement:
    """The requirement itself. Raises ValueError when it breaks a rule."""
    faults = [str(error) for error in requirement.errors(Path(""))]
    if faults:
        raise ValueError(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
    return requirement


_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+|\Z)")
_END = ""
_SIGNS = {"==", "!=", "=", "!", "(", ")", ",", "<", ">", _END}


class _Parser:
    """Reads requirements token by token. `in` and `notin` are operators only where one may stand."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.position = 0

    def next(self) -> str:
        token = self.peek
        self.position += 1
        return token

    @property
    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else _END

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        if self.peek == _END:
            return found
        if self.peek in _SIGNS and self.peek != "!":
            raise BadRequest(f"found '{self.peek}', expected: !, identifier, or 'end of string'")
        while True:
            try:
                found.append(_checked(self.requirement()))
            except ValueError as error:
                raise BadRequest(f"unable to parse requirement: {error}") from None
            match self.next():
                case "":
                    return found
                case ",":
                    if self.peek in _SIGNS and self.peek != "!":
                        raise BadRequest(f"found '{self.peek}', expected: identifier after ','")
                case other:
                    raise BadRequest(f"found '{other}', expected: ',' or 'end of string'")

    def requirement(self) -> Requirement:
        missing = self.peek == "!"
        if missing:
            self.next()
        key = self.next()
        if key in _SIGNS:
            raise ValueError(f"found '{key}', expected: identifier")
        if faults := names.qualified(key):
            raise ValueError(f"<nil>: Invalid value: {quoted(key)}: {'; '.join(faults)}")
        if missing:
            return Requirement(key, Operator.MISSING)
        if self.peek in (_END, ","):
            return Requirement(key, Operator.EXISTS)
        sign = self.next()
        operator = _BINARY.get(sign)
        if operator is None:
            raise ValueError(f"found '{sign}', expected: in, notin, =, ==, !=, gt, lt")
        return Requirement(key, operator, self.values() if operator in (Operator.IN, Operator.NOT_IN) else self.value())

    def value(self) -> tuple[str, ...]:
        if self.peek in (_END, ","):
            return ("",)
        value = self.next()
        if value in _SIGNS:
            raise ValueError(f"found '{value}', expected: identifier")
        return (value,)

    def values(self) -> tuple[str, ...]:
        opening = self.next()
        if opening != "(":
            raise ValueError(f"found '{opening}' expected: '('")
        found = {"" if self.peek in (",", ")") else self.identifier()}
        while self.peek == ",":
            self.next()
            found.add("" if self.peek in (",", ")") else self.identifier())
        closing = self.next()
        if closing != ")":
            raise ValueError(f"found '{closing}', expected: ',' or ')'")
        return tuple(sorted(found))

    def identifier(self) -> str:
        token = self.next()
        if token in _SIGNS:
            raise ValueError(f"found '{token}', expected: ',', ')' or identifier")
        return token


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One condition of a field selector."""

    field: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        escaped = re.sub(r"([\\,=])", r"\\\1", self.value)
        return f"{self.field}{'!=' if self.negated else '='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All of its terms; a field that an object does not have counts as empty."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether an object with these selectable fields is selected."""
        return all((fields.get(term.field, "") == term.value) != term.negated for term in self.terms)

    def exact(self, field: str) -> str | None:
        """The value that the selector demands of a field, if it demands one."""
        return next((term.value for term in self.terms if term.field == field and not term.negated), None)

    def __str__(self) -> str:
        return ",".join(str(term) for term in self.terms)


_FIELD_TERM = re.compile(r"(.*?)(!=|==|=)(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\[\\,=]|(?P<bad>\\.?)|(?P<bare>[,=])", re.DOTALL)
_TERM_SPLIT = re.compile(r"((?:\\.|[^\\,]|\\\Z)*)(?:,|\Z)", re.DOTALL)


def parse_fields(text: str) -> FieldSelector:
    r"""The selector that a `fieldSelector` parameter writes: "spec.nodeName=n1,status.phase!=Running".

    In values a backslash escapes comma, equals sign and itself. Raises BadRequest when it cannot be understood.
    """
    terms = []
    for part in sorted(filter(None, _TERM_SPLIT.findall(text))):
        match = _FIELD_TERM.fullmatch(part)
        if not match:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{part}'")
        field, sign, value = match.groups()
        if field or value:
            terms.append(FieldTerm(field, _unescaped(value), sign == "!="))
    return FieldSelector(tuple(terms))


def _unescaped(value: str) -> str:
    for match in _ESCAPE.finditer(value):
        if bad := match.group("bad"):
            raise BadRequest(f"invalid field selector: invalid escape sequence: {bad}")
        if bare := match.group("bare"):
            raise BadRequest(f"invalid field selector: unescaped character in value: {ord(bare)}")
    return _ESCAPE.sub(lambda match: match.group()[1:], value)
