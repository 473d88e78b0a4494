"""What a master writes at its start, at the second as at the first."""

from __future__ import annotations

from typing import Any

from master.registry.bootstrap import publish_api, publish_identity
from master.registry.verbs import Registry
from timonel.api.types import coordination_v1, discovery_v1


async def test_an_api_server_that_starts_again_renews_its_identity(registry: Registry, api: Any) -> None:
    name = await publish_identity(registry, "host")
    first = (await api.get(coordination_v1.Lease, name, "kube-system"))["spec"]["holderIdentity"]
    assert await publish_identity(registry, "host") == name
    assert (await api.get(coordination_v1.Lease, name, "kube-system"))["spec"]["holderIdentity"] != first


async def test_the_api_is_published_where_it_is_now(registry: Registry, api: Any) -> None:
    await publish_api(registry, ["192.0.2.1"], 6443)
    await publish_api(registry, ["192.0.2.2"], 6444)
    published = await api.get(discovery_v1.EndpointSlice, "kubernetes")
    assert [endpoint["addresses"] for endpoint in published["endpoints"]] == [["192.0.2.2"]]
    assert published["ports"][0]["port"] == 6444
