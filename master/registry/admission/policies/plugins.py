"""The two plugins that follow admission policies: those that change objects, and those that judge them."""

from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.admission.matching import is_exempt
from master.registry.admission.policies.changing import mutate
from master.registry.admission.policies.compiled import Compiled, changer, judge
from master.registry.admission.policies.judging import Finding, Verdict, findings
from master.registry.admission.policies.matching import Bound, Misconfigured, concerned, param_resource, params_of
from master.registry.admission.seeing import Failed, SituationWith, conditions_hold, seen
from master.registry.admission.webhooks.forms import Form, forms_of
from master.registry.admission.webhooks.review import question
from master.registry.base import Verb
from master.registry.cel.failures import CompileError
from timonel.api import codec
from timonel.api.errors import StatusError, from_status
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import admissionregistration_v1beta1 as v1beta1
from timonel.api.types import meta_v1

IGNORE = "Ignore"


class ValidatingPolicies(Plugin):
    """Kubernetes' ValidatingAdmissionPolicy."""

    order: ClassVar[int] = 940
    """Before webhooks that judge, which cost a call."""
    operations = frozenset({Verb.CREATE, Verb.UPDATE, Verb.DELETE, Verb.CONNECT})

    def __init__(self) -> None:
        self._compiled = Compiled(judge)

    def sees(self, attributes: Attributes) -> bool:
        """Every write, subresources too, while there are policies that are bound."""
        if is_exempt(attributes.call.resource, policies=True):
            return False
        return any(True for _ in attributes.reader.all_cached(v1.ValidatingAdmissionPolicyBinding))

    async def validate(self, attributes: Attributes) -> None:
        """Ask every policy with every binding and parameter; the first denial is told."""
        policies = list(attributes.reader.all_cached(v1.ValidatingAdmissionPolicy))
        self._compiled.keep({policy.metadata.name or "" for policy in policies})
        bindings = attributes.reader.all_cached(v1.ValidatingAdmissionPolicyBinding)
        verdict = Verdict(attributes)
        async for bound in concerned(policies, bindings, attributes):
            try:
                await self._ask(bound, verdict)
            except (Misconfigured, CompileError) as error:
                if bound.policy.spec.failurePolicy != IGNORE:
                    verdict.find(bound.policy.metadata.name or "", "", Finding(str(error)), ["Deny"])
        verdict.close()

    async def _ask(
        self,
        bound: Bound[v1.ValidatingAdmissionPolicy, v1.ValidatingAdmissionPolicyBinding],
        verdict: Verdict,
    ) -> None:
        """Raises Misconfigured, and CompileError, where the policy as a whole cannot be followed."""
        attributes, name = verdict.attributes, bound.policy.metadata.name or ""
        fails = bound.policy.spec.failurePolicy != IGNORE
        resource = param_resource(bound.policy, attributes)
        compiled = self._compiled.of(bound.policy)
        if not bound.bindings:
            return
        situation_with = await _seen_as(bound.form, attributes)
        for binding in bound.bindings:
            actions, binding_name = binding.spec.validationActions, binding.metadata.name or ""
            try:
                params = params_of(binding, resource, attributes)
            except Misconfigured as error:
                if fails:
                    verdict.find(name, binding_name, Finding(str(error)), ["Deny"])
                continue
            for param in params:
                situation = situation_with(param, compiled.variables)
                for found in findings(compiled, situation, fails=fails):
                    verdict.find(name, binding_name, found, actions)
                for found in verdict.annotate(name, compiled, situation):
                    if fails:
                        verdict.find(name, binding_name, found, ["Deny"])


class MutatingPolicies(Plugin):
    """Kubernetes' MutatingAdmissionPolicy."""

    order: ClassVar[int] = 890
    """Before webhooks that change objects."""
    operations = frozenset({Verb.CREATE, Verb.UPDATE})

    def __init__(self) -> None:
        self._compiled = Compiled(changer)

    def sees(self, attributes: Attributes) -> bool:
        """Every write, subresources too, while there are policies that are bound."""
        if attributes.operation not in self.operations or is_exempt(attributes.call.resource, policies=True):
            return False
        return any(True for _ in attributes.reader.all_cached(v1beta1.MutatingAdmissionPolicyBinding))

    async def mutate(self, attributes: Attributes) -> None:
        """Let each policy change the object, one after the other."""
        left: dict[str, bytes] = attributes.memory.setdefault(type(self).__name__, {})
        again = bool(left)
        policies = list(attributes.reader.all_cached(v1beta1.MutatingAdmissionPolicy))
        self._compiled.keep({policy.metadata.name or "" for policy in policies})
        bindings = attributes.reader.all_cached(v1beta1.MutatingAdmissionPolicyBinding)
        async for bound in concerned(policies, bindings, attributes):
            name = bound.policy.metadata.name or ""
            if again and not _wanted_again(bound.policy, left.get(name), attributes):
                continue
            if await self._change(bound, attributes):
                attributes.changed_late = True
            left[name] = codec.encode(attributes.object)

    async def _change(
        self,
        bound: Bound[v1beta1.MutatingAdmissionPolicy, v1beta1.MutatingAdmissionPolicyBinding],
        attributes: Attributes,
    ) -> bool:
        policy, changed = bound.policy, False
        name, fails = policy.metadata.name or "", policy.spec.failurePolicy != IGNORE
        for binding in bound.bindings:
            try:
                resource = param_resource(policy, attributes)
                compiled = self._compiled.of(policy)
                params = params_of(binding, resource, attributes)
                for param in params:
                    situation = (await _seen_as(bound.form, attributes))(param, compiled.variables)
                    if conditions_hold(situation, compiled.conditions):
                        changed = mutate(attributes, bound.form, compiled, situation, fails=fails) or changed
            except (Misconfigured, CompileError, Failed) as error:
                if fails:
                    reason = "Invalid" if isinstance(error, Failed) else "Forbidden"
                    why = f"policy '{name}' with binding '{binding.metadata.name}' denied request: {error}"
                    raise _denied(why, reason, attributes) from None
        return changed


async def _seen_as(form: Form, attributes: Attributes) -> SituationWith:
    """The write with its object in this form."""
    return await seen(question(attributes, form, forms_of(attributes.call)[0], ""), attributes)


def _denied(message: str, reason: str, attributes: Attributes) -> StatusError:
    details = attributes.forbidden(message).status().details
    return from_status(meta_v1.Status(status="Failure", message=message, reason=reason, code=403, details=details))


def _wanted_again(policy: v1beta1.MutatingAdmissionPolicy, left: bytes | None, attributes: Attributes) -> bool:
    """Whether a policy that left the object as ``left`` (None: was not asked) is to see it again."""
    return policy.spec.reinvocationPolicy == "IfNeeded" and left not in (None, codec.encode(attributes.object))
