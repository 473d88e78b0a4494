"""Conversion between the versions of a definition, by renaming the version or by a webhook.

Source: Kubernetes' documentation of versions in CustomResourceDefinitions (ConversionReview).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from master.registry import webhookcalls
from master.registry.objects import Reader
from master.registry.webhookcalls import Client, Target, WebhookFailed
from timonel.api.custom import Document
from timonel.api.types.apiextensions_v1 import CustomResourceDefinition, WebhookConversion

SECONDS = 30
"""How long a webhook may take."""
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer: a conversion may be of thousands of objects."""
API_VERSION = "apiextensions.k8s.io/v1"
_MAY_CHANGE = frozenset({"labels", "annotations"})
"""What a conversion may change of metadata."""


class ConversionFailed(Exception):
    """Objects could not be brought to the version wanted; the message says why."""


class Converter(Protocol):
    """Brings objects of a definition to a version."""

    async def convert(self, documents: Sequence[Document], api_version: str) -> list[Document]:
        """The objects, in order; those of that version already are given back as they are.

        Raises:
            ConversionFailed: not all can be converted.
        """


class Renaming:
    """All versions have the same fields."""

    async def convert(self, documents: Sequence[Document], api_version: str) -> list[Document]:
        """See `Converter`."""
        return [{**document, "apiVersion": api_version} for document in documents]


class Webhook:
    """The definition's author converts."""

    def __init__(self, conversion: WebhookConversion, kind: str, reader: Reader, client: Client) -> None:
        self._client = client
        self._conversion = conversion
        self._kind = kind
        self._reader = reader

    async def convert(self, documents: Sequence[Document], api_version: str) -> list[Document]:
        """See `Converter`."""
        others = [document for document in documents if document.get("apiVersion") != api_version]
        if not others:
            return list(documents)
        try:
            converted = iter(await self._converted(others, api_version))
        except WebhookFailed as error:
            source = others[0].get("apiVersion")
            raise ConversionFailed(f"conversion webhook for {source}, Kind={self._kind} failed: {error}") from None
        return [each if each.get("apiVersion") == api_version else next(converted) for each in documents]

    async def _converted(self, documents: Sequence[Document], api_version: str) -> list[Document]:
        uid = str(uuid.uuid4())
        request = {"uid": uid, "desiredAPIVersion": api_version, "objects": list(documents)}
        review = {"apiVersion": API_VERSION, "kind": "ConversionReview", "request": request}
        raw = await self._client.post(self._target(), msgspec.json.encode(review), SECONDS)
        response = _response(raw)
        if not isinstance(response, dict) or response.get("uid") != uid:
            raise WebhookFailed("the answer is for another request: expected response.uid to be that of the request")
        result = response.get("result") or {}
        if result.get("status") != "Success":
            raise WebhookFailed(str(result.get("message") or "the answer's result is no Success"))
        converted = response.get("convertedObjects") or []
        if len(converted) != len(documents):
            raise WebhookFailed(f"expected {len(documents)} converted objects, got {len(converted)}")
        return [_checked(old, new, api_version) for old, new in zip(documents, converted, strict=True)]

    def _target(self) -> Target:
        config = self._conversion.clientConfig
        if config is not None and config.service is not None:
            return webhookcalls.service_target(config.service, config.caBundle, self._reader)
        return webhookcalls.url_target((config.url if config else None) or "", config.caBundle if config else None)


def converter_of(definition: CustomResourceDefinition, reader: Reader, client: Client) -> Converter:
    """How a definition's objects are converted."""
    conversion = definition.spec.conversion
    if conversion and conversion.strategy == "Webhook" and conversion.webhook:
        return Webhook(conversion.webhook, definition.spec.names.kind, reader, client)
    return Renaming()


def _response(raw: bytes) -> Any:
    """The response part of an answer. Raises WebhookFailed where it is no answer."""
    try:
        answer = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WebhookFailed(f"the answer is no JSON: {error}") from None
    if not isinstance(answer, dict):
        raise WebhookFailed("the answer is no object")
    return answer.get("response")


def _checked(old: Document, new: Any, api_version: str) -> Document:
    """A converted object, its metadata but for labels and annotations as it was.

    Raises:
        WebhookFailed: it is not what was asked for.
    """
    if not isinstance(new, dict) or new.get("apiVersion") != api_version or new.get("kind") != old.get("kind"):
        raise WebhookFailed(f"a converted object is no {old.get('kind')} of {api_version}")
    before, after = old.get("metadata") or {}, new.get("metadata") or {}
    for name in ("name", "namespace", "uid"):
        if before.get(name) != after.get(name):
            raise WebhookFailed(f"a converted object has another metadata.{name}")
    changed = {name: after[name] for name in _MAY_CHANGE if name in after}
    kept = {name: value for name, value in before.items() if name not in _MAY_CHANGE}
    return {**new, "metadata": {**kept, **changed}}
