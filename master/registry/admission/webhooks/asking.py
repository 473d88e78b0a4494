"""One webhook and one write: whether it is asked, and what it says, its failure policy applied."""

import logging
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from master.registry.admission.base import Attributes
from master.registry.admission.matching import Webhook, form_for
from master.registry.admission.seeing import Failed, conditions_hold, seen
from master.registry.admission.selecting import selected
from master.registry.admission.webhooks import review
from master.registry.admission.webhooks.client import target_of
from master.registry.admission.webhooks.forms import Form, forms_of
from master.registry.admission.webhooks.review import Answer
from master.registry.cel.failures import CompileError
from master.registry.remarks import remark
from master.registry.webhookcalls import Client, WebhookFailed
from timonel.api.errors import BadRequest, InternalError

if TYPE_CHECKING:
    from master.registry.cel.environment import Program

log = logging.getLogger(__name__)

SECONDS = 10
KEPT_PROGRAMS = 1024
HARMLESS = ("None", "NoneOnDryRun")
"""What a webhook's sideEffects may be for it to hear of a dry run."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A webhook that has allowed a write, and the form in which it saw the object."""

    form: Form
    answer: Answer


async def ask(client: Client, webhook: Webhook, attributes: Attributes, *, may_patch: bool) -> Asked | None:
    """Ask the webhook, if it is concerned; None where it is not, or where it failed and failures are ignored.

    Raises:
        StatusError: the webhook denies the write, or failed and its failures are refusals, or knows no dry run.
    """
    forms = forms_of(attributes.call)
    form = form_for(webhook.rules, webhook.matchPolicy, attributes.operation, attributes.call.subresource, forms)
    if form is None or not await selected(webhook, attributes):
        return None
    request = review.question(attributes, form, forms[0], str(uuid.uuid4()))
    if not await _conditions_hold(webhook, attributes, request):
        return None
    if attributes.call.dry_run and webhook.sideEffects not in HARMLESS:
        raise BadRequest(f'admission webhook "{webhook.name}" does not support dry run')
    try:
        answer = await _call(client, webhook, attributes, request, may_patch=may_patch)
    except WebhookFailed as error:
        message = f'failed calling webhook "{webhook.name}": {error}'
        if webhook.failurePolicy == "Ignore":
            log.warning("%s; ignored", message)
            return None
        raise InternalError(message) from None
    for text in answer.warnings:
        attributes.call.warn(text)
    for key, text in answer.remarks.items():
        remark(f"{webhook.name}/{key}", text)
    if not answer.allowed:
        raise review.denial(webhook.name, answer.status)
    return Asked(form, answer)


async def _call(
    client: Client, webhook: Webhook, attributes: Attributes, request: dict[str, Any], *, may_patch: bool
) -> Answer:
    """Raises WebhookFailed with what went wrong."""
    version = next((each for each in webhook.admissionReviewVersions if each in review.VERSIONS), None)
    if version is None:
        raise WebhookFailed("webhook does not accept known AdmissionReview versions (v1, v1beta1)")
    try:
        target = target_of(webhook.clientConfig, attributes.reader)
        raw = await client.post(target, review.review(request, version), webhook.timeoutSeconds or SECONDS)
    except WebhookFailed as error:
        raise WebhookFailed(f"failed to call webhook: {error}") from None
    try:
        return review.read(raw, request["uid"], version, may_patch=may_patch)
    except review.BadAnswer as error:
        raise WebhookFailed(f"received invalid webhook response: {error}") from None


async def _conditions_hold(webhook: Webhook, attributes: Attributes, request: dict[str, Any]) -> bool:
    """Raises Forbidden when a condition fails and failures are refusals."""
    if not webhook.matchConditions:
        return True
    try:
        programs = [_condition(each.expression) for each in webhook.matchConditions]
        return conditions_hold((await seen(request, attributes))(None, {}), programs)
    except (CompileError, Failed) as error:
        if webhook.failurePolicy == "Ignore":
            log.warning('webhook "%s" is passed over: %s', webhook.name, error)
            return False
        raise attributes.forbidden(str(error)) from None


@lru_cache(maxsize=KEPT_PROGRAMS)
def _condition(expression: str) -> "Program":
    """Raises CompileError where it is no condition."""
    from master.registry.cel.admission import Vocabulary

    return Vocabulary(namespace=False).compile(expression)
