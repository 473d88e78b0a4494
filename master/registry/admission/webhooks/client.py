"""Where the calls of admission webhooks go."""

from master.registry.objects import Reader
from master.registry.webhookcalls import Target, service_target, url_target
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import apiextensions_v1


def target_of(config: v1.WebhookClientConfig, reader: Reader) -> Target:
    """Where the calls of a webhook go.

    Raises:
        WebhookFailed: the Service has no ready pod, or the CA is no base64.
    """
    if config.url:
        return url_target(config.url, config.caBundle)
    found = config.service or v1.ServiceReference()
    service = apiextensions_v1.ServiceReference(
        name=found.name, namespace=found.namespace, path=found.path, port=found.port
    )
    return service_target(service, config.caBundle, reader)
