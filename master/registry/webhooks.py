"""What validating and mutating webhook configurations have in common."""

from collections.abc import Sequence

from master.registry.columns import Column, age
from master.registry.validation.webhooks import (
    EQUIVALENT,
    FAIL,
    HTTPS_PORT,
    SECONDS,
    AnyWebhook,
    default_rules,
)
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import meta_v1

AnyConfiguration = v1.ValidatingWebhookConfiguration | v1.MutatingWebhookConfiguration

COLUMNS: Sequence[Column[AnyConfiguration]] = [
    Column("Webhooks", lambda configuration: len(configuration.webhooks), "integer"),
    age(),
]


def default_webhook(webhook: AnyWebhook) -> None:
    """Asked about everything that its rules name, for ten seconds; when it does not answer, the request fails."""
    if webhook.failurePolicy is None:
        webhook.failurePolicy = FAIL
    if webhook.matchPolicy is None:
        webhook.matchPolicy = EQUIVALENT
    webhook.namespaceSelector = webhook.namespaceSelector or meta_v1.LabelSelector()
    webhook.objectSelector = webhook.objectSelector or meta_v1.LabelSelector()
    if webhook.timeoutSeconds is None:
        webhook.timeoutSeconds = SECONDS
    default_rules(webhook.rules)
    service = webhook.clientConfig.service
    if service and service.port is None:
        service.port = HTTPS_PORT
