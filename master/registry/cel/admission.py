"""What expressions of admission speak of: the write, its namespace, parameters, the caller's rights, and variables.

Source: Kubernetes' documentation of ValidatingAdmissionPolicy. Objects have no types here: what a policy may meet is
known when it meets it only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from master.registry.cel.authorization import AUTHORIZER, Ask, Check, answering
from master.registry.cel.convert import converted
from master.registry.cel.declared import Declared, declared_together
from master.registry.cel.environment import Environment, Program
from master.registry.cel.failures import CompileError, EvaluationError
from master.registry.cel.functions import type_of
from master.registry.custom.schema import Structural, compiled

PREFIX = "variables."
_NO_VALUE = re.compile(r'No value with name "variables\.(\w+)"')
_USED = re.compile(r"\bvariables\s*\.\s*(\w+)")


def _record(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_TIME = {"type": "string", "format": "date-time"}
_TEXTS = {"type": "array", "items": _TEXT}
_ANY: dict[str, Any] = {"type": "object", "additionalProperties": True}
_KIND = _record(group=_TEXT, version=_TEXT, kind=_TEXT)
_RESOURCE = _record(group=_TEXT, version=_TEXT, resource=_TEXT)
_USER = _record(username=_TEXT, uid=_TEXT, groups=_TEXTS, extra={"type": "object", "additionalProperties": _TEXTS})
_REQUEST = compiled(
    _record(
        kind=_KIND,
        resource=_RESOURCE,
        subResource=_TEXT,
        requestKind=_KIND,
        requestResource=_RESOURCE,
        requestSubResource=_TEXT,
        name=_TEXT,
        namespace=_TEXT,
        operation=_TEXT,
        userInfo=_USER,
        dryRun={"type": "boolean"},
        options=_ANY,
    )
)
_MAP = {"type": "object", "additionalProperties": _TEXT}
_NAMESPACE = compiled(
    _record(
        metadata=_record(
            name=_TEXT,
            generateName=_TEXT,
            namespace=_TEXT,
            labels=_MAP,
            annotations=_MAP,
            UID=_TEXT,
            creationTimestamp=_TIME,
            deletionGracePeriodSeconds=_NUMBER,
            deletionTimestamp=_TIME,
            generation=_NUMBER,
            resourceVersion=_TEXT,
            finalizers=_TEXTS,
        ),
        spec=_record(finalizers=_TEXTS),
        status=_record(phase=_TEXT),
    )
)


class Vocabulary:
    """What the expressions of one webhook or policy may use; variables come to it one by one.

    Args:
        params: whether there are parameters.
        namespace: whether they see the namespace.
        schema: of the objects, where they are known.
        params_schema: of the parameters, where they are known.
    """

    def __init__(
        self,
        *,
        params: bool = False,
        namespace: bool = True,
        schema: Structural | None = None,
        params_schema: Structural | None = None,
    ) -> None:
        known = {"request": _REQUEST, "object": schema, "oldObject": schema, "params": params_schema}
        if namespace:
            known["namespaceObject"] = _NAMESPACE
        self._types: dict[str, Declared | None] = {"object": None, "oldObject": None}
        if params:
            self._types["params"] = None
        self._types |= declared_together({name: found for name, found in known.items() if found is not None})
        self.variables: dict[str, Program] = {}

    def environment(self, *, authorizer: bool = True) -> Environment:
        """For expressions that may, or may not, ask about rights."""
        if not authorizer:
            return Environment(self._types)
        rights = {
            "authorizer": Declared(type_of("Authorizer")),
            "authorizer.requestResource": Declared(type_of("ResourceCheck")),
        }
        return Environment({**self._types, **rights})

    def compile(self, expression: str, *, authorizer: bool = True) -> Program:
        """An expression, checked.

        Raises:
            CompileError: it is none, or speaks of what it may not.
        """
        return self.environment(authorizer=authorizer).compile(expression)

    def define(self, name: str, expression: str) -> None:
        """Let later expressions say ``variables.name`` for this one.

        Raises:
            CompileError: see `compile`.
        """
        try:
            program = self.variables[name] = self.compile(expression)
        except CompileError:
            self._types[f"{PREFIX}{name}"] = None
            raise
        self._types[f"{PREFIX}{name}"] = program.declared


@dataclass(slots=True)
class Situation:
    """One write as expressions see it. A variable is worked out when the first expression uses it."""

    values: dict[str, Any]
    ask: Ask
    variables: Mapping[str, Program] = field(default_factory=dict)
    _known: dict[str, Any] = field(default_factory=dict)
    _failures: dict[str, EvaluationError] = field(default_factory=dict)

    def run(self, program: Program) -> Any:
        """The value of an expression.

        Raises:
            EvaluationError: it has none.
        """
        with answering(self.ask):
            return self._run(program)

    def _run(self, program: Program) -> Any:
        for name in _USED.findall(program.text):
            if name in self.variables:
                self._work_out(name)
        try:
            return program.run({**self.values, **self._known})
        except EvaluationError as error:
            missing = _NO_VALUE.search(str(error))
            if missing is None or missing[1] not in self._failures:
                raise
            why = self._failures[missing[1]]
            raise EvaluationError(f'composited variable "{missing[1]}" fails to evaluate: {why}') from None

    def _work_out(self, name: str) -> None:
        """A variable that has no value is left out, so that an expression fails only if it comes to it."""
        if PREFIX + name in self._known or name in self._failures:
            return
        try:
            self._known[PREFIX + name] = self._run(self.variables[name])
        except EvaluationError as error:
            self._failures[name] = error


def request_check(request: Mapping[str, Any]) -> Check:
    """The check of ``authorizer.requestResource``: of what the request itself is about."""
    resource = request["resource"]
    return {
        **AUTHORIZER,
        "group": resource["group"],
        "resource": resource["resource"],
        "subresource": request.get("subResource", ""),
        "namespace": request.get("namespace", ""),
        "name": request.get("name", ""),
    }


def namespace_value(document: dict[str, Any] | None) -> Any:
    """A Namespace as expressions see it."""
    return None if document is None else converted(_NAMESPACE, document)
