"""The documents by which clients find out what is served: per group and version, and aggregated."""

from collections.abc import Iterable
from typing import Any

from master.apiserver.served import Groups, GroupVersion, ServedResource, ServedSubresource

Document = dict[str, Any]

AGGREGATED_GROUP = "apidiscovery.k8s.io"
AGGREGATED_VERSION = "v2"
AGGREGATED_KIND = "APIGroupDiscoveryList"


def core_versions(groups: Groups) -> Document:
    """`/api`: the versions of the core group."""
    return {
        "kind": "APIVersions",
        "versions": [gv.version for gv in groups.get("", ())],
        "serverAddressByClientCIDRs": [],
    }


def group_list(groups: Groups) -> Document:
    """`/apis`: all named groups."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(versions) for versions in _named(groups)]}


def group(groups: Groups, name: str) -> Document | None:
    """`/apis/<group>`: its versions; None when the group is not served."""
    versions = groups.get(name) if name else None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(versions)} if versions else None


def resource_list(gv: GroupVersion) -> Document:
    """`/apis/<group>/<version>`: its resources and their subresources."""
    entries: list[Document] = []
    for item in gv.resources:
        entries.append(_resource(item))
        entries.extend(_subresource(item, sub) for sub in item.subresources)
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": gv.api_version, "resources": entries}


def aggregated(groups: Iterable[tuple[GroupVersion, ...]]) -> Document:
    """Everything about `groups` in one document."""
    return {
        "kind": AGGREGATED_KIND,
        "apiVersion": f"{AGGREGATED_GROUP}/{AGGREGATED_VERSION}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": versions[0].group} if versions[0].group else {},
                "versions": [_aggregated_version(gv) for gv in versions],
            }
            for versions in groups
        ],
    }


def named_groups(groups: Groups) -> list[tuple[GroupVersion, ...]]:
    """The groups under `/apis`."""
    return list(_named(groups))


def _named(groups: Groups) -> Iterable[tuple[GroupVersion, ...]]:
    return (versions for name, versions in groups.items() if name)


def _group(versions: tuple[GroupVersion, ...]) -> Document:
    entries = [{"groupVersion": gv.api_version, "version": gv.version} for gv in versions]
    return {"name": versions[0].group, "versions": entries, "preferredVersion": entries[0]}


def _resource(item: ServedResource) -> Document:
    resource = item.resource
    entry: Document = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.gvk.kind,
        "verbs": list(item.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _subresource(item: ServedResource, sub: ServedSubresource) -> Document:
    entry: Document = {
        "name": f"{item.resource.plural}/{sub.name}",
        "singularName": "",
        "namespaced": item.resource.namespaced,
        "kind": sub.gvk.kind,
        "verbs": list(sub.verbs),
    }
    if sub.gvk[:2] != item.resource.gvk[:2]:
        entry |= {"group": sub.gvk.group, "version": sub.gvk.version}
    return entry


def _aggregated_version(gv: GroupVersion) -> Document:
    return {
        "version": gv.version,
        "freshness": gv.freshness,
        "resources": [_aggregated_resource(item) for item in gv.resources],
    }


def _aggregated_resource(item: ServedResource) -> Document:
    resource = item.resource
    entry: Document = {
        "resource": resource.plural,
        "responseKind": resource.gvk._asdict(),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(item.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if item.subresources:
        entry["subresources"] = [
            {"subresource": sub.name, "responseKind": sub.gvk._asdict(), "verbs": list(sub.verbs)}
            for sub in item.subresources
        ]
    return entry
