"""Admission webhooks: servers outside that change and judge writes, as webhook configurations name them.

`matching` and `review` decide, `client` calls, `plugins` ties them into the chain.
"""

from master.registry.admission.webhooks.plugins import MutatingWebhooks, ValidatingWebhooks

__all__ = ["MutatingWebhooks", "ValidatingWebhooks"]
