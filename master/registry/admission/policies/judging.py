"""What a validating policy finds of a write, and what comes of that; pure but for warnings and remarks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from master.registry.admission.base import Attributes
from master.registry.admission.policies.compiled import Judge, Rule
from master.registry.admission.seeing import Failed, conditions_hold, value
from master.registry.remarks import remark
from timonel.api.errors import StatusError, from_status
from timonel.api.types import meta_v1

if TYPE_CHECKING:
    from master.registry.cel.admission import Situation

BUDGET = 1.0
"""Seconds that the expressions of one policy may take together."""
LONGEST_MESSAGE = 5 * 1024
CODES = {"Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413, "Unauthorized": 401}
AUDIT_KEY = "validation.policy.admission.k8s.io/validation_failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """A validation that fails, or cannot be asked."""

    message: str
    reason: str = "Invalid"
    index: int = 0


def findings(judge: Judge, situation: Situation, *, fails: bool) -> Iterator[Finding]:
    """What the policy has against the write. Expressions without a value count where ``fails``."""
    deadline = time.monotonic() + BUDGET
    try:
        if not conditions_hold(situation, judge.conditions):
            return
    except Failed as error:
        if fails:
            yield Finding(str(error))
        return
    for rule in judge.rules:
        if time.monotonic() > deadline:
            why = "validation failed due to running out of cost budget, no further validation rules will be run"
            if fails:
                yield Finding(why, index=rule.index)
            return
        try:
            if value(situation, rule.program) is not True:
                yield Finding(_message(rule, situation), rule.reason, rule.index)
        except Failed as error:
            if fails:
                yield Finding(str(error), index=rule.index)


def _message(rule: Rule, situation: Situation) -> str:
    """The message that is worked out, where it can be used; else the one that is written."""
    if rule.message_program is None:
        return rule.message
    try:
        text = value(situation, rule.message_program)
    except Failed:
        return rule.message
    usable = isinstance(text, str) and text.strip() and "\n" not in text.strip() and len(text) <= LONGEST_MESSAGE
    return str(text).strip() if usable else rule.message


@dataclass(slots=True)
class Verdict:
    """What all policies together say of a write."""

    attributes: Attributes
    denial: StatusError | None = None
    _audited: list[dict[str, object]] = field(default_factory=list)
    _annotations: dict[str, list[str]] = field(default_factory=dict)

    def find(self, policy: str, binding: str, found: Finding, actions: Sequence[str]) -> None:
        """Do what a binding wants done about a finding."""
        name = f"ValidatingAdmissionPolicy '{policy}'" + (f" with binding '{binding}'" if binding else "")
        if "Deny" in actions and self.denial is None:
            self.denial = self._refusal(f"{name} denied request: {found.message}", found.reason)
        if "Warn" in actions:
            self.attributes.call.warn(f"Validation failed for {name}: {found.message}")
        if "Audit" in actions:
            self._audited.append(
                {
                    "message": found.message,
                    "policy": policy,
                    "binding": binding,
                    "expressionIndex": found.index,
                    "validationActions": list(actions),
                }
            )

    def annotate(self, policy: str, judge: Judge, situation: Situation) -> Iterator[Finding]:
        """Note the policy's audit annotations; gives those that have no value."""
        for key, program in judge.annotations:
            try:
                text = value(situation, program, "valueExpression")
            except Failed as error:
                yield Finding(str(error))
                continue
            texts = self._annotations.setdefault(f"{policy}/{key}", [])
            if text and str(text).strip() not in texts:
                texts.append(str(text).strip())

    def close(self) -> None:
        """Make the remarks, and refuse.

        Raises:
            StatusError: a policy denies the write.
        """
        if self._audited:
            remark(AUDIT_KEY, msgspec.json.encode(self._audited).decode())
        for key, texts in self._annotations.items():
            if texts:
                remark(key, ", ".join(texts))
        if self.denial is not None:
            raise self.denial

    def _refusal(self, message: str, reason: str) -> StatusError:
        plain = self.attributes.forbidden(message).status()
        details = plain.details or meta_v1.StatusDetails()
        details.causes = [meta_v1.StatusCause(message=message)]
        return from_status(
            meta_v1.Status(
                status="Failure", message=plain.message, reason=reason, code=CODES.get(reason, 422), details=details
            )
        )
