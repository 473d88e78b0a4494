"""What validating and mutating webhook configurations have in common."""

from collections.abc import Iterator
from typing import TypeVar

from master.registry.columns import Column, age
from master.registry.strategy import Strategy
from master.registry.validation.webhooks import (
    EQUIVALENT,
    FAIL,
    HTTPS_PORT,
    SECONDS,
    AnyWebhook,
    default_rules,
    validate_webhooks,
)
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import meta_v1

C = TypeVar("C", v1.ValidatingWebhookConfiguration, v1.MutatingWebhookConfiguration)


class WebhookConfigurations(Strategy[C]):
    """Servers that are asked about requests."""

    unconditional_update = False
    has_generation = True
    columns = [Column("Webhooks", lambda configuration: len(configuration.webhooks), "integer"), age()]

    def counted(self, obj: C) -> object:
        """The webhooks."""
        return obj.webhooks

    def default(self, obj: C, old: C | None) -> None:
        """See `default_webhook`."""
        for webhook in obj.webhooks:
            default_webhook(webhook)

    def validate(self, obj: C, old: C | None) -> Iterator[FieldError]:
        """See `validation.webhooks`."""
        yield from validate_webhooks(obj.webhooks)


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
    if isinstance(webhook, v1.MutatingWebhook) and webhook.reinvocationPolicy is None:
        webhook.reinvocationPolicy = "Never"
    service = webhook.clientConfig.service
    if service and service.port is None:
        service.port = HTTPS_PORT
