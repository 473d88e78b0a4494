"""ValidatingWebhookConfigurations."""

from master.registry.strategy import kind
from master.registry.webhooks import WebhookConfigurations
from timonel.api.types import admissionregistration_v1 as v1


@kind(
    v1.ValidatingWebhookConfiguration,
    plural="validatingwebhookconfigurations",
    namespaced=False,
    categories=["api-extensions"],
)
class ValidatingWebhookConfigurations(WebhookConfigurations[v1.ValidatingWebhookConfiguration]):
    """Servers that are asked whether a request may pass."""
