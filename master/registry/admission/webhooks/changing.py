"""What a webhook's patch makes of the object of a write, and what it cannot touch; pure."""

from typing import Any

import msgspec

from master.registry.admission.base import Attributes
from master.registry.admission.webhooks.forms import STATUS, Form
from master.registry.base import Verb
from master.registry.strategy import KINDS
from master.registry.subresources import Action, Part, Status
from timonel.api import codec
from timonel.api.custom import CustomObject
from timonel.api.errors import InternalError, StatusError
from timonel.api.patch import json_patch

SYSTEM_FIELDS = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""What the master alone says in metadata; what a webhook says there is passed over."""


def change(attributes: Attributes, form: Form, webhook: str, patch: bytes) -> bool:
    """Apply a JSON patch to the object in place, as ``form`` shows it; gives whether it is another object now.

    Raises:
        InternalError: the patch is malformed, does not fit, or makes something else of the object.
    """
    obj = attributes.object
    try:
        patched = json_patch(form.document(obj), msgspec.json.decode(patch))
        new = form.put(patched, obj)
    except (StatusError, msgspec.DecodeError, RecursionError) as error:
        raise InternalError(f'the patch of admission webhook "{webhook}" cannot be applied: {error}') from None
    check_identity(obj, new, f'admission webhook "{webhook}"')
    return become(attributes, new)


def become(attributes: Attributes, new: Any) -> bool:
    """Make the object of the write what ``new`` is, as far as it may be; gives whether it is another object now."""
    obj = attributes.object
    for name in SYSTEM_FIELDS:
        setattr(new.metadata, name, getattr(obj.metadata, name))
    _confine(attributes, new)
    if codec.encode(new) == codec.encode(obj):
        return False
    _become(obj, new)
    return True


def check_identity(obj: Any, new: Any, who: str) -> None:
    """Refuse a change that makes another object of the object.

    Raises:
        InternalError: it does.
    """
    for before, after, what in (
        (obj.apiVersion, new.apiVersion, "apiVersion"),
        (obj.kind, new.kind, "kind"),
        (obj.metadata.name, new.metadata.name, "metadata.name"),
        (obj.metadata.namespace, new.metadata.namespace, "metadata.namespace"),
    ):
        if before != after:
            raise InternalError(f"{who} attempted to change {what}, which is not supported")


def _confine(attributes: Attributes, new: Any) -> None:
    """Keep the change to what the request itself could change, and fill in what the patch left out."""
    call, obj, old = attributes.call, attributes.object, attributes.old
    if isinstance(new, CustomObject):
        if call.subresource == STATUS:
            status, new.content = new.status, dict(obj.content)
            new.status = status
        return
    part = call.sub
    if isinstance(part, Part):
        part.prepare(new, old, call)
    if isinstance(part, Part | Action):
        return
    strategy = KINDS[type(new)]
    if attributes.operation is Verb.UPDATE and any(isinstance(sub, Status) for sub in strategy.subresources):
        new.status = obj.status
    strategy.default(new, old)


def _become(obj: Any, new: Any) -> None:
    """Make ``obj`` what ``new`` is; the write under way holds on to ``obj``."""
    fields = CustomObject.__slots__ if isinstance(obj, CustomObject) else obj.__struct_fields__
    for name in fields:
        setattr(obj, name, getattr(new, name))
