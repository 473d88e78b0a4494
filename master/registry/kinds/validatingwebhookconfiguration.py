"""ValidatingWebhookConfigurations."""

from collections.abc import Iterator

from master.registry.strategy import Strategy, kind
from master.registry.validation.webhooks import validate_webhooks
from master.registry.webhooks import COLUMNS, default_webhook
from timonel.api.fields import FieldError
from timonel.api.types import admissionregistration_v1 as v1


@kind(
    v1.ValidatingWebhookConfiguration,
    plural="validatingwebhookconfigurations",
    namespaced=False,
    categories=["api-extensions"],
)
class ValidatingWebhookConfigurations(Strategy[v1.ValidatingWebhookConfiguration]):
    """Servers that are asked whether a request may pass."""

    unconditional_update = False
    has_generation = True
    columns = COLUMNS

    def counted(self, obj: v1.ValidatingWebhookConfiguration) -> object:
        """The webhooks."""
        return obj.webhooks

    def default(self, obj: v1.ValidatingWebhookConfiguration, old: v1.ValidatingWebhookConfiguration | None) -> None:
        """See `webhooks`."""
        for webhook in obj.webhooks:
            default_webhook(webhook)

    def validate(
        self, obj: v1.ValidatingWebhookConfiguration, old: v1.ValidatingWebhookConfiguration | None
    ) -> Iterator[FieldError]:
        """See `validation.webhooks`."""
        yield from validate_webhooks(obj.webhooks)
