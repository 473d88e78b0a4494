"""Objects of kinds that have no Struct: metadata is typed, all else is plain JSON.

Whoever serves such a kind makes one subclass of `CustomObject` for each version of it, so that a custom kind is named
by its class, as a built-in one is by its Struct, and `codec` reads and writes both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from timonel.api.gvk import GVK
from timonel.api.structural import UNTYPED, Record
from timonel.api.types.meta_v1 import ObjectMeta

Document = dict[str, Any]

HEAD = ("apiVersion", "kind", "metadata")
"""What every object has beside its content."""


class CustomObject:
    """An object of one version of a custom kind; ``content`` is everything but its `HEAD`."""

    __slots__ = ("apiVersion", "content", "kind", "metadata")

    gvk: ClassVar[GVK]
    tree: ClassVar[Record] = UNTYPED
    """What of its objects can be owned apart."""

    def __init__(
        self, api_version: str = "", kind: str = "", metadata: ObjectMeta | None = None, **content: Any
    ) -> None:
        self.apiVersion = api_version or self.gvk.api_version
        self.kind = kind or self.gvk.kind
        self.metadata = metadata or ObjectMeta()
        self.content: Document = content

    @classmethod
    def normalized(cls, document: Document) -> Document:
        """``document`` as its version's schema would have it; a kind without rules takes it as it is."""
        return document

    @classmethod
    def unknown_fields(cls, document: Document) -> Sequence[str]:
        """The paths of what `normalized` drops because the schema does not know it."""
        return ()

    @classmethod
    def of_parts(cls, document: Document, metadata: ObjectMeta) -> Self:
        """The object of a normalized document and its decoded metadata."""
        obj = cls(_text(document, "apiVersion"), _text(document, "kind"), metadata)
        obj.content = {name: value for name, value in document.items() if name not in HEAD}
        return obj

    def to_document(self) -> Document:
        """The object as JSON has it; its metadata is still a Struct, its content is shared."""
        return {"apiVersion": self.apiVersion, "kind": self.kind, "metadata": self.metadata, **self.content}

    @property
    def spec(self) -> Any:
        """The content's member of that name; None where there is none."""
        return self.content.get("spec")

    @property
    def status(self) -> Any:
        """The content's member of that name; None where there is none. Setting None removes it."""
        return self.content.get("status")

    @status.setter
    def status(self, value: Any) -> None:
        if value is None:
            self.content.pop("status", None)
        else:
            self.content["status"] = value


def _text(document: Document, name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""
