"""Policies bound to everything in a namespace, in few words."""

from typing import Any

import pytest

from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import admissionregistration_v1beta1 as v1beta1

RULE = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"], "scope": "Namespaced"}


class Policies:
    """Makes policies with one binding each."""

    def __init__(self, api: Any) -> None:
        self.api = api

    async def judge(self, expression: str = "", *, binding: Any = None, name: str = "p", **spec: Any) -> None:
        """A validating policy; an ``expression`` is its one validation."""
        if expression:
            spec["validations"] = [{"expression": expression, **spec.pop("validation", {})}]
        await self._make(v1.ValidatingAdmissionPolicy, name, {"matchConstraints": {"resourceRules": [RULE]}, **spec})
        bound = {"policyName": name, "validationActions": ["Deny"], **(binding or {})}
        await self._make(v1.ValidatingAdmissionPolicyBinding, name, bound)

    async def change(self, *expressions: str, binding: Any = None, name: str = "p", **spec: Any) -> None:
        """A mutating policy; expressions that make lists are JSON patches."""
        mutations = [
            {"patchType": "JSONPatch", "jsonPatch": {"expression": text}}
            if text.startswith("[")
            else {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}}
            for text in expressions
        ]
        rules = {"matchConstraints": {"resourceRules": [RULE]}, "reinvocationPolicy": "Never", "mutations": mutations}
        await self._make(v1beta1.MutatingAdmissionPolicy, name, {**rules, **spec})
        await self._make(v1beta1.MutatingAdmissionPolicyBinding, name, {"policyName": name, **(binding or {})})

    async def _make(self, kind: Any, name: str, spec: dict[str, Any]) -> None:
        await self.api.create(kind, {"metadata": {"name": name}, "spec": spec}, "")


@pytest.fixture
def policies(api: Any) -> Policies:
    return Policies(api)
