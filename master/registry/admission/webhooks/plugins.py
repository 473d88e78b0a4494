"""The two plugins that ask webhooks: those that change objects, and those that judge them.

Webhooks that change are asked one after the other, by their configuration's name and in its order. When one of them has
changed the object, the chain runs once more: built-in plugins look at what came in, and webhooks with the reinvocation
policy IfNeeded are asked again if the object is not as they left it. Webhooks that judge are asked all at once.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.admission.matching import Webhook, is_exempt
from master.registry.admission.webhooks.asking import ask
from master.registry.admission.webhooks.changing import change
from master.registry.base import Verb
from master.registry.webhookcalls import Client
from timonel.api import codec
from timonel.api.errors import InternalError, StatusError
from timonel.api.types import admissionregistration_v1 as v1


class _Webhooks:
    """What both have: a client for their calls, and every write to look at, subresources too, while there are any."""

    operations = frozenset({Verb.CREATE, Verb.UPDATE, Verb.DELETE, Verb.CONNECT})
    configurations: ClassVar[type[v1.MutatingWebhookConfiguration | v1.ValidatingWebhookConfiguration]]

    def __init__(self) -> None:
        self._client = Client()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def sees(self, attributes: Attributes) -> bool:
        """Also subresources, but no write of a configuration of webhooks."""
        return not is_exempt(attributes.call.resource) and any(self._webhooks(attributes))

    def _webhooks(self, attributes: Attributes) -> Iterator[tuple[str, Any]]:
        """The webhooks with their configurations' names, in the order of these."""
        for configuration in attributes.reader.all_cached(self.configurations):
            for webhook in configuration.webhooks:
                yield configuration.metadata.name or "", webhook


class MutatingWebhooks(_Webhooks, Plugin):
    """Kubernetes' MutatingAdmissionWebhook."""

    order: ClassVar[int] = 900
    """After the built-in plugins that change objects."""
    configurations = v1.MutatingWebhookConfiguration

    async def mutate(self, attributes: Attributes) -> None:
        """Let each webhook change the object."""
        left: dict[tuple[str, str], bytes] = attributes.memory.setdefault(type(self).__name__, {})
        again = bool(left)
        for configuration, webhook in self._webhooks(attributes):
            key = (configuration, webhook.name)
            if again and not _wanted_again(webhook, left.get(key), attributes):
                continue
            asked = await ask(self._client, webhook, attributes, may_patch=True)
            if asked is None:
                continue
            patch = asked.answer.patch
            if patch and change(attributes, asked.form, webhook.name, patch):
                attributes.changed_late = True
            left[key] = codec.encode(attributes.object)

    async def validate(self, attributes: Attributes) -> None:
        """Ask about deletions and streams, which change no object: a patch is refused."""
        if attributes.operation not in (Verb.DELETE, Verb.CONNECT):
            return
        for _, webhook in self._webhooks(attributes):
            asked = await ask(self._client, webhook, attributes, may_patch=True)
            if asked and asked.answer.patch:
                why = "attempted to modify the object, which is not supported for this operation"
                raise InternalError(f'admission webhook "{webhook.name}" {why}')


class ValidatingWebhooks(_Webhooks, Plugin):
    """Kubernetes' ValidatingAdmissionWebhook."""

    order: ClassVar[int] = 950
    """After everything that can be judged without a call, and before what counts accepted objects."""
    configurations = v1.ValidatingWebhookConfiguration

    async def validate(self, attributes: Attributes) -> None:
        """Ask all webhooks; of several refusals the first by configuration and order is told."""
        verdicts = await asyncio.gather(
            *(self._verdict(webhook, attributes) for _, webhook in self._webhooks(attributes))
        )
        for refusal in verdicts:
            if refusal is not None:
                raise refusal

    async def _verdict(self, webhook: Webhook, attributes: Attributes) -> StatusError | None:
        try:
            await ask(self._client, webhook, attributes, may_patch=False)
        except StatusError as refusal:
            return refusal
        return None


def _wanted_again(webhook: v1.MutatingWebhook, left: bytes | None, attributes: Attributes) -> bool:
    """Whether a webhook that left the object as ``left`` (None: was not asked) is to see it again."""
    return webhook.reinvocationPolicy == "IfNeeded" and left not in (None, codec.encode(attributes.object))
