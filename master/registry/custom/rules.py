"""The CEL rules of a schema (x-kubernetes-validations): compiled once, asked of each value and of its change.

Source: Kubernetes' documentation of validation rules, transition rules and ratcheting.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from master.registry.cel.convert import converted
from master.registry.cel.effort import LIMIT, LIMIT_TOGETHER
from master.registry.cel.failures import CompileError, EvaluationError, TooExpensive
from master.registry.custom.schema import MISSING, Structural
from master.registry.custom.values import old_items
from timonel.api.fields import OMITTED, FieldError, Path, duplicate, forbidden, invalid, required

if TYPE_CHECKING:
    from master.registry.cel.declared import Declared
    from master.registry.cel.environment import Environment, Program

Document = dict[str, Any]

BUDGET = 1.0
"""Seconds that the rules of one write may take together."""

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")

_PARTS = {
    "rule": "",
    "message": "",
    "messageExpression": "",
    "reason": None,
    "fieldPath": "",
    "optionalOldSelf": None,
}
"""What a rule has, in order, and what stands for a part that it has not."""
_ADVICE = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)
_DEAREST = 4
"""How many rules are told to make a schema's too expensive together."""
_NO_OVERLOAD = "no such overload"

_OLD = re.compile(r"\boldSelf\b")
_STEP = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to be asked."""

    text: str
    program: Program
    of_change: bool
    """Whether it looks at the old value; then it is asked of updates only, unless ``optional``."""
    optional: bool
    message: str
    message_program: Program | None
    reason: str
    field_path: str

    @property
    def complaint(self) -> str:
        """What is said when it fails, where no message is worked out."""
        return self.message.strip() or f"failed rule: {self.text.strip()}"


@dataclass(slots=True)
class Asker:
    """The rules of a schema, compiled when a node with rules is first met."""

    root: Structural
    _rules: dict[Structural, list[Rule]] = field(default_factory=dict)

    def faults(self, value: Any, old: Any = MISSING) -> Iterator[FieldError]:
        """What the rules find in a whole object; ``old`` is the object before an update."""
        deadline = time.monotonic() + BUDGET
        for node, here, was, path in _asked_values(self.root, value, old, Path("")):
            if time.monotonic() > deadline:
                why = "validation failed due to running out of cost budget, no further validation rules will be run"
                yield invalid(Path("<nil>"), "", why)
                return
            yield from self._ask(node, here, was, path, is_object=node is self.root)

    def _ask(self, node: Structural, value: Any, old: Any, path: Path, is_object: bool) -> Iterator[FieldError]:
        rules = self._rules.get(node)
        if rules is None:
            rules = self._rules[node] = [rule for _, rule in compiled_rules(node, is_object=is_object)]
        variables = {"self": converted(node, value, is_object=is_object)}
        if old is not MISSING:
            variables["oldSelf"] = converted(node, old, is_object=is_object)
        for rule in rules:
            if rule.of_change and not rule.optional and old is MISSING:
                continue
            if not rule.of_change and old is not MISSING and old == value:
                continue
            fault = _asked(rule, node, variables, path, value)
            if fault:
                yield fault


def _asked_values(node: Structural, value: Any, old: Any, path: Path) -> Iterator[tuple[Structural, Any, Any, Path]]:
    """The values in ``value`` whose schemas have rules, each with its schema, its old state and its path."""
    if not node.has_rules or (value is None and node.nullable):
        return
    if node.rules:
        yield node, value, old, path
    match value:
        case dict():
            before = old if isinstance(old, dict) else {}
            for name, item in value.items():
                inner = node.properties.get(name) or node.additional
                if inner is not None:
                    at = path.child(name) if name in node.properties else path.key(name)
                    yield from _asked_values(inner, item, before.get(name, MISSING), at)
        case list() if node.items is not None:
            for index, (item, was) in enumerate(zip(value, old_items(node.raw, value, old), strict=True)):
                yield from _asked_values(node.items, item, was, path.index(index))


def compiled_rules(node: Structural, *, is_object: bool = False) -> Iterator[tuple[int, Rule]]:
    """The node's own rules with their places among them.

    Raises:
        CompileError: a rule does not compile. `rule_faults` has found all of these before a schema is used.
    """
    if node.rules:
        types = _declared(node, is_object=is_object)
        for index, raw in enumerate(node.rules):
            yield index, _compiled(raw, node, types)


def rule_faults(
    node: Structural,
    path: Path,
    costs: Costs,
    *,
    is_object: bool = False,
    uncorrelated: Path | None = None,
    times: int = 1,
) -> Iterator[FieldError]:
    """What is wrong with the node's rules themselves, which may be asked so many times of one object."""
    if not node.rules:
        return
    types = _declared(node, is_object=is_object)
    for index, raw in enumerate(node.rules):
        at = path.child("x-kubernetes-validations").index(index)
        looks_back = bool(_OLD.search(raw["rule"]))
        try:
            program = _environment(raw, types).compile(raw["rule"])
            if not program.is_bool:
                yield invalid(at.child("rule"), _shown(raw), "cel expression must evaluate to a bool")
            yield from costs.add("rule", times * program.cost({"self": node, "oldSelf": node}), at)
        except CompileError as error:
            yield invalid(at.child("rule"), _shown(raw), f"compilation failed: {error}")
        yield from _message_faults(raw, node, types, at, costs, times)
        if looks_back and uncorrelated is not None:
            why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}"
            yield invalid(at.child("rule"), raw["rule"], why)
        if raw.get("optionalOldSelf") is not None and not looks_back:
            yield invalid(
                at.child("optionalOldSelf"), raw["optionalOldSelf"], "may not be set if oldSelf is not used in rule"
            )


def _shown(raw: Document) -> Document:
    """A rule as messages show it."""
    return {name[:1].upper() + name[1:]: raw.get(name, absent) for name, absent in _PARTS.items()}


@dataclass(slots=True)
class Costs:
    """What the rules of a schema cost at worst."""

    _found: list[tuple[float, Path]] = field(default_factory=list)

    def add(self, part: str, cost: float, path: Path) -> Iterator[FieldError]:
        """Count a part of a rule in; gives what is wrong with it alone."""
        at = path.child(part)
        self._found.append((cost, at))
        if cost > LIMIT:
            yield forbidden(at, f"estimated {part} cost exceeds budget by factor of {_factor(cost / LIMIT)} {_ADVICE}")

    def faults(self, path: Path) -> Iterator[FieldError]:
        """What is wrong with all of them together."""
        total = sum(cost for cost, _ in self._found)
        if total <= LIMIT_TOGETHER:
            return
        dearest = sorted(self._found, key=lambda found: -found[0])[:_DEAREST]
        for _, at in dearest:
            why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            yield forbidden(at, why)
        why = (
            "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of"
        )
        yield forbidden(path, f"{why} {_factor(total / LIMIT_TOGETHER)} {_ADVICE}")


def _factor(factor: float) -> str:
    return "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"


def _message_faults(
    raw: Document, node: Structural, types: Declared, at: Path, costs: Costs, times: int
) -> Iterator[FieldError]:
    text = raw.get("messageExpression")
    if not text:
        return
    try:
        program = _environment(raw, types).compile(text)
        yield from costs.add("messageExpression", times * program.cost({"self": node, "oldSelf": node}), at)
        if not program.is_string:
            yield invalid(at.child("messageExpression"), _shown(raw), "messageExpression must evaluate to a string")
    except CompileError as error:
        yield invalid(at.child("messageExpression"), _shown(raw), f"messageExpression compilation failed: {error}")


def _compiled(raw: Document, node: Structural, types: Declared) -> Rule:
    text, message_text = raw["rule"], raw.get("messageExpression")
    environment = _environment(raw, types)
    return Rule(
        text=text,
        program=environment.compile(text),
        of_change=bool(_OLD.search(text)),
        optional=bool(raw.get("optionalOldSelf")),
        message=raw.get("message") or "",
        message_program=environment.compile(message_text) if message_text else None,
        reason=raw.get("reason") or "FieldValueInvalid",
        field_path=_path_below(node, field_path_steps(raw.get("fieldPath") or "") or []),
    )


def _path_below(node: Structural | None, steps: list[str]) -> str:
    """The steps as the paths of faults have them: fields behind dots, keys of maps in brackets."""
    path = ""
    for step in steps:
        inner = node.properties.get(step) if node else None
        path += f".{step}" if inner or node is None else f"[{step}]"
        node = inner or (node.additional if node else None)
    return path


def _declared(node: Structural, *, is_object: bool) -> Declared:
    from master.registry.cel.declared import declared

    return declared(node, is_object=is_object)


def _environment(raw: Document, types: Declared) -> Environment:
    from master.registry.cel.environment import Environment

    return Environment({"self": types, "oldSelf": types}, optional="oldSelf" if raw.get("optionalOldSelf") else "")


def _asked(rule: Rule, node: Structural, variables: Document, path: Path, value: Any) -> FieldError | None:
    """Ask one rule."""
    kind = node.type or "integer"
    given = _for_optional(variables) if rule.optional else variables
    try:
        holds = rule.program.run(given)
    except TooExpensive:
        why = f"no further validation rules will be run due to call cost exceeds limit for rule: {rule.text}"
        return invalid(path, kind, why)
    except EvaluationError as error:
        what = f"{error} evaluating"
        if str(error).startswith(_NO_OVERLOAD):
            what = f"'{error}': call arguments did not match a supported operator, function or macro signature for"
        return invalid(path or Path("<nil>"), kind, f"{what} rule: {rule.message.strip() or rule.text}")
    if holds is True:
        return None
    return _refusal(rule, Path(path + rule.field_path).lstrip("."), value, _complaint(rule, given))


def _for_optional(variables: Document) -> Document:
    return {
        "self": variables["self"],
        "oldSelf_": variables.get("oldSelf"),
        "has_oldSelf_": "oldSelf" in variables,
    }


def _complaint(rule: Rule, variables: Document) -> str:
    if rule.message_program is None:
        return rule.complaint
    try:
        text = rule.message_program.run(variables)
    except EvaluationError:
        return rule.complaint
    usable = isinstance(text, str) and text.strip() and "\n" not in text
    return text.strip() if usable else rule.complaint


def _refusal(rule: Rule, path: str, value: Any, message: str) -> FieldError:
    at = path or "<nil>"
    match rule.reason:
        case "FieldValueForbidden":
            return forbidden(at, message)
        case "FieldValueRequired":
            return required(at, message)
        case "FieldValueDuplicate":
            return duplicate(at, value)
        case _:
            return invalid(at, OMITTED if isinstance(value, dict | list) else value, message)


def field_path_steps(path: str) -> list[str] | None:
    """The field names in a rule's fieldPath or a selectable field's path; None where it is no such path."""
    steps: list[str] = []
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        steps.append(step[1] if step[1] is not None else re.sub(r"\\(.)", r"\1", step[2]))
        at = step.end()
    return steps or None
