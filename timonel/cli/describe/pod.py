"""Describes pods."""

from __future__ import annotations

from collections.abc import Sequence

from timonel.api import meta
from timonel.api.podresources import qos_class
from timonel.api.types import core_v1
from timonel.cli.describe.containers import containers
from timonel.cli.describe.generic import notes
from timonel.cli.describe.page import NONE, Page, moment
from timonel.cli.describe.volumes import volumes


def pod(page: Page, obj: core_v1.Pod) -> None:
    """Where it runs, its containers and their states, its conditions and volumes."""
    _heading(page, obj)
    spec, status = obj.spec, obj.status
    if spec.initContainers:
        containers(page, 0, "Init Containers", spec.initContainers, status.initContainerStatuses)
    containers(page, 0, "Containers", spec.containers, status.containerStatuses)
    if spec.ephemeralContainers:
        containers(page, 0, "Ephemeral Containers", spec.ephemeralContainers, status.ephemeralContainerStatuses)
    if status.conditions:
        page.line(0, "Conditions:")
        page.line(1, "Type\tStatus")
        for condition in status.conditions:
            page.line(1, f"{condition.type}\t{condition.status}")
    volumes(page, 0, spec.volumes)
    page.field(0, "QoS Class", status.qosClass or qos_class(spec))
    page.mapping(0, "Node-Selectors", spec.nodeSelector)
    page.field(0, "Tolerations", "\n".join(map(toleration, spec.tolerations)) or NONE)


def _heading(page: Page, obj: core_v1.Pod) -> None:
    metadata, spec, status = obj.metadata, obj.spec, obj.status
    page.field(0, "Name", metadata.name)
    page.field(0, "Namespace", metadata.namespace)
    page.field(0, "Priority", spec.priority or 0)
    page.fields(0, [("Priority Class Name", spec.priorityClassName)])
    page.field(0, "Service Account", spec.serviceAccountName or "default")
    page.field(0, "Node", "/".join(filter(None, (spec.nodeName, status.hostIP))) or NONE)
    if status.startTime:
        page.field(0, "Start Time", moment(status.startTime))
    page.mapping(0, "Labels", metadata.labels)
    page.mapping(0, "Annotations", notes(metadata.annotations), sign=": ")
    if metadata.deletionTimestamp:
        page.field(0, "Status", f"Terminating (lasts until {moment(metadata.deletionTimestamp)})")
        page.field(0, "Termination Grace Period", f"{metadata.deletionGracePeriodSeconds or 0}s")
    else:
        page.field(0, "Status", status.phase)
    page.fields(0, [("Reason", status.reason), ("Message", status.message)])
    page.field(0, "IP", status.podIP)
    addresses = [address.ip for address in status.podIPs if address.ip]
    page.line(0, "IPs:" if addresses else f"IPs:\t{NONE}")
    for address in addresses:
        page.field(1, "IP", address)
    if controller := meta.controller_of(obj):
        page.field(0, "Controlled By", f"{controller.kind}/{controller.name}")


def toleration(each: core_v1.Toleration) -> str:
    """A toleration in one line."""
    text = each.key
    if each.value:
        text += f"={each.value}"
    if each.effect:
        text += f":{each.effect}"
    if each.operator == "Exists":
        text += " op=Exists" if text else "op=Exists"
    return text + (f" for {each.tolerationSeconds}s" if each.tolerationSeconds is not None else "")


def template(page: Page, level: int, found: core_v1.PodTemplateSpec) -> None:
    """A pod template, as workloads and their revisions have it."""
    metadata, spec = found.metadata, found.spec
    page.line(level, "Pod Template:")
    page.mapping(level + 1, "Labels", metadata.labels)
    if metadata.annotations:
        page.mapping(level + 1, "Annotations", metadata.annotations, sign=": ")
    page.fields(level + 1, [("Service Account", spec.serviceAccountName)])
    if spec.initContainers:
        containers(page, level + 1, "Init Containers", spec.initContainers)
    containers(page, level + 1, "Containers", spec.containers)
    volumes(page, level + 1, spec.volumes)
    page.mapping(level + 1, "Node-Selectors", spec.nodeSelector)
    page.field(level + 1, "Tolerations", "\n".join(map(toleration, spec.tolerations)) or NONE)


def taints(found: Sequence[core_v1.Taint]) -> str:
    """Taints, one a line."""
    texts = [f"{each.key}{'=' + each.value if each.value else ''}:{each.effect}" for each in found]
    return "\n".join(texts) or NONE
