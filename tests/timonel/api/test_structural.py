"""The trees of the generated types: what is atomic, granular, a set, a map."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from timonel.api import types
from timonel.api.struct import Struct
from timonel.api.structural import LEAF, LIST_SET, UNTYPED, ListMap, Node, Record, tree_of
from timonel.api.types import apiextensions_v1, apps_v1, core_v1, meta_v1


def at(struct: type[Struct], *path: str) -> Node:
    node: Node = tree_of(struct)
    for name in path:
        if isinstance(node, ListMap):
            node = node.element
        assert isinstance(node, Record)
        node = node.fields[name][1] if name in node.fields else node.element or LEAF
    return node


@pytest.mark.parametrize(
    ("struct", "path", "expected"),
    [
        (apps_v1.Deployment, "spec.replicas", LEAF),
        (apps_v1.Deployment, "spec.selector", LEAF),
        (core_v1.Pod, "spec.nodeSelector", LEAF),
        (core_v1.Pod, "spec.tolerations", LEAF),
        (core_v1.Pod, "spec.containers.command", LEAF),
        (core_v1.Pod, "spec.containers.resources.limits.cpu", LEAF),
        (core_v1.Pod, "spec.containers.livenessProbe.httpGet.port", LEAF),
        (core_v1.Pod, "metadata.finalizers", LIST_SET),
        (apps_v1.ControllerRevision, "data", UNTYPED),
    ],
)
def test_what_is_owned_as_a_whole(struct: type[Struct], path: str, expected: Node) -> None:
    assert at(struct, *path.split(".")) is expected


def test_lists_by_key_and_maps() -> None:
    ports = at(core_v1.Pod, "spec", "containers", "ports")
    assert isinstance(ports, ListMap)
    assert ports.keys == ("containerPort", "protocol")
    assert ports.defaults == {"protocol": "TCP"}
    labels = at(core_v1.Pod, "metadata", "labels")
    assert isinstance(labels, Record)
    assert (labels.fields, labels.element) == ({}, LEAF)
    owners = at(core_v1.Pod, "metadata", "ownerReferences")
    assert isinstance(owners, ListMap)
    assert owners.element is LEAF


def test_python_keywords_have_their_wire_names() -> None:
    assert "continue" in tree_of(meta_v1.ListMeta).fields


def test_types_that_contain_themselves() -> None:
    properties = at(apiextensions_v1.JSONSchemaProps, "properties")
    assert isinstance(properties, Record)
    assert properties.element is tree_of(apiextensions_v1.JSONSchemaProps)


def test_every_kind_has_a_tree_and_its_lists_have_keys() -> None:
    seen: set[int] = set()

    def check(node: Node) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, ListMap):
            assert node.keys
            if isinstance(node.element, Record):
                assert set(node.keys) <= node.element.fields.keys()
            check(node.element)
        elif isinstance(node, Record):
            for _, child in node.fields.values():
                check(child)
            if node.element:
                check(node.element)

    for module in pkgutil.iter_modules(types.__path__):
        for item in vars(importlib.import_module(f"{types.__name__}.{module.name}")).values():
            if isinstance(item, type) and issubclass(item, Struct) and item is not Struct:
                check(tree_of(item))
    assert len(seen) > 500
