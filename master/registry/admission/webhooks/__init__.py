"""Admission webhooks: servers outside that change and judge writes, as webhook configurations name them.

`review` and `changing` decide, `client` calls, `asking` asks one webhook and `plugins` all, in order.
"""

from master.registry.admission.webhooks.plugins import MutatingWebhooks, ValidatingWebhooks

__all__ = ["MutatingWebhooks", "ValidatingWebhooks"]
