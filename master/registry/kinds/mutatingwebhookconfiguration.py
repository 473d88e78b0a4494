"""MutatingWebhookConfigurations."""

from master.registry.strategy import kind
from master.registry.webhooks import WebhookConfigurations
from timonel.api.types import admissionregistration_v1 as v1


@kind(
    v1.MutatingWebhookConfiguration,
    plural="mutatingwebhookconfigurations",
    namespaced=False,
    categories=["api-extensions"],
)
class MutatingWebhookConfigurations(WebhookConfigurations[v1.MutatingWebhookConfiguration]):
    """Servers that may change a request's object."""
