"""What the mutations of a policy make of an object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from master.registry.admission.base import Attributes
from master.registry.admission.policies.compiled import Changer
from master.registry.admission.seeing import Failed, value
from master.registry.admission.webhooks.changing import become
from master.registry.admission.webhooks.forms import Document, Form
from timonel.api import fieldwalk, managed_fields
from timonel.api.errors import StatusError
from timonel.api.patch import json_patch
from timonel.api.structural import Leaf, ListMap, Node, Record

if TYPE_CHECKING:
    from master.registry.cel.admission import Situation
    from master.registry.cel.environment import Program

_PREFIX = "the server rejected our request due to an error in our request: "


def mutate(attributes: Attributes, form: Form, changer: Changer, situation: Situation, *, fails: bool) -> bool:
    """Carry out the mutations, each on what the last one left; gives whether the object is another one now.

    Raises:
        Failed: an expression has no value, or what it says cannot be done, and that ``fails`` the write.
    """
    changed = False
    for kind, program in changer.mutations:
        try:
            changed = _mutated(attributes, form, kind, program, situation) or changed
        except Failed:
            if fails:
                raise
    return changed


def _mutated(attributes: Attributes, form: Form, kind: str, program: Program, situation: Situation) -> bool:
    before = form.document(attributes.object) or {}
    situation.values["object"] = before
    wanted = value(situation, program)
    try:
        after = _patched(before, wanted) if kind == "JSONPatch" else _merged(before, wanted, form)
        after |= {name: before[name] for name in ("apiVersion", "kind") if name in before}
        after["metadata"] = {**(after.get("metadata") or {}), **_identity(before)}
        return become(attributes, form.put(after, attributes.object))
    except StatusError as error:
        raise Failed(error.message.removeprefix(_PREFIX)) from None


def _identity(document: Document) -> Document:
    """What a policy cannot change."""
    metadata = document.get("metadata") or {}
    return {name: metadata[name] for name in ("name", "namespace", "generateName") if name in metadata}


def _patched(document: Document, operations: Any) -> Document:
    if not isinstance(operations, list):
        raise Failed("JSON Patch: a list of operations is expected")
    try:
        done: Document = json_patch(document, operations)
    except StatusError as error:
        why = error.message.removeprefix(_PREFIX)
        if why.startswith("testing value"):
            return dict(document)
        raise Failed(f"JSON Patch: {why}") from None
    return done


def _merged(document: Document, configuration: Any, form: Form) -> Document:
    """The document with an apply configuration in it; nothing is taken away."""
    if not isinstance(configuration, dict):
        raise Failed("error applying patch: an Object is expected")
    assert form.resource.struct is not None  # what is written has objects
    tree = managed_fields.tree(form.resource.struct)
    try:
        fieldwalk.owned(tree, configuration)
    except StatusError as error:
        raise Failed(f"error applying patch: failed to convert patch object to typed object: {error.message}") from None
    for path in _whole(tree, configuration, ""):
        raise Failed(
            f"error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {path}"
        )
    merged: Document = fieldwalk.merge(tree, document, configuration)
    return dict(merged)


def _whole(node: Node, wanted: Any, path: str) -> Iterator[str]:
    """The paths of lists and maps that can be replaced as a whole only."""
    match node, wanted:
        case Leaf(), dict() | list():
            yield path
        case Record(), dict():
            for name, item in wanted.items():
                declared = node.fields.get(name)
                child = declared[1] if declared else node.element
                if child is not None:
                    yield from _whole(child, item, f"{path}.{name}")
        case ListMap(), list():
            for index, item in enumerate(wanted):
                yield from _whole(node.element, item, f"{path}[{index}]")
