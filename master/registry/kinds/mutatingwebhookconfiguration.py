"""MutatingWebhookConfigurations."""

from collections.abc import Iterator

from master.registry.strategy import Strategy, kind
from master.registry.validation.webhooks import validate_webhooks
from master.registry.webhooks import COLUMNS, default_webhook
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1 as v1


@kind(
    v1.MutatingWebhookConfiguration,
    plural="mutatingwebhookconfigurations",
    namespaced=False,
    categories=["api-extensions"],
)
class MutatingWebhookConfigurations(Strategy[v1.MutatingWebhookConfiguration]):
    """Servers that may change a request's object."""

    unconditional_update = False
    has_generation = True
    columns = COLUMNS

    def counted(self, obj: v1.MutatingWebhookConfiguration) -> object:
        """The webhooks."""
        return obj.webhooks

    def default(self, obj: v1.MutatingWebhookConfiguration, old: v1.MutatingWebhookConfiguration | None) -> None:
        """See `webhooks`; each is asked once."""
        for webhook in obj.webhooks:
            default_webhook(webhook)
            if webhook.reinvocationPolicy is None:
                webhook.reinvocationPolicy = "Never"

    def validate(
        self, obj: v1.MutatingWebhookConfiguration, old: v1.MutatingWebhookConfiguration | None
    ) -> Iterator[FieldError]:
        """See `validation.webhooks`."""
        yield from validate_webhooks(obj.webhooks)
