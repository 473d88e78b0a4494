"""What /metrics tells of requests: names and labels as Kubernetes has them."""

import re
from typing import Any

POD_LIST = 'resource="pods",subresource="",scope="namespace",component="apiserver",verb="LIST"'


async def scrape(http: Any) -> dict[str, float]:
    async with http.get("/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = [line for line in (await answer.text()).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def grown(http: Any, before: dict[str, float], start: str, *labels: str) -> float:
    now = await scrape(http)
    found = [name for name in now if re.match(start + r"\b", name) and all(label in name for label in labels)]
    assert found, f"no {start} with {labels}"
    return sum(now[name] - before.get(name, 0) for name in found)


async def test_requests_are_counted_by_what_they_ask_for(http: Any, client: Any, config_map: Any) -> None:
    before = await scrape(http)
    await http.get("/api/v1/namespaces/default/pods")
    await http.get("/api/v1/namespaces/default/pods/nobody")
    await http.get("/api/v1/nonsense")
    await http.get("/apis/nothing/v1/nonsense")
    body = {"metadata": {"name": "dry"}}
    await http.post("/api/v1/namespaces/default/configmaps?dryRun=All", json=body)
    await http.get("/livez")
    assert await grown(http, before, "apiserver_request_total", POD_LIST, 'code="200"') == 1
    assert await grown(http, before, "apiserver_request_duration_seconds_count", POD_LIST) == 1
    assert await grown(http, before, "apiserver_request_sli_duration_seconds_count", POD_LIST) == 1
    assert await grown(http, before, "apiserver_response_sizes_count", POD_LIST) == 1
    assert await grown(http, before, "apiserver_request_total", 'verb="GET"', 'resource="pods"', 'code="404"') == 1
    assert await grown(http, before, "apiserver_request_total", 'verb="POST"', 'dry_run="All"', 'code="201"') == 1
    assert await grown(http, before, "apiserver_request_total", 'subresource="/livez"', 'code="200"') == 1
    now = await scrape(http)
    assert not any("nonsense" in name or 'group="nothing"' in name for name in now)
    assert now['apiserver_storage_objects{resource="serviceaccounts"}'] == 1
    assert now['apiserver_resource_objects{group="rbac.authorization.k8s.io",resource="clusterroles"}'] > 30
    (build,) = [name for name in now if name.startswith("kubernetes_build_info")]
    assert 'major="1",minor="35",git_version="v1.35.' in build
    assert now['apiserver_current_inflight_requests{request_kind="readOnly"}'] == 1  # this very one


async def test_watches_are_counted_while_they_last_with_their_events(served: Any, http: Any, client: Any) -> None:
    before = await scrape(http)
    labels = ('resource="configmaps"', 'scope="namespace"', 'verb="WATCH"')
    async with http.get("/api/v1/namespaces/default/configmaps?watch=1") as watch:
        body = {"metadata": {"name": "seen"}, "data": {"key": "x" * 2000}}
        await http.post("/api/v1/namespaces/default/configmaps", json=body)
        assert b"seen" in await watch.content.readline()
        assert await grown(http, before, "apiserver_longrunning_requests", *labels) == 1
        assert await grown(http, before, "apiserver_watch_events_total", 'resource="configmaps"') == 1
        assert await grown(http, before, "apiserver_watch_events_sizes_bucket", "configmaps", 'le="2048"') == 0
        assert await grown(http, before, "apiserver_watch_events_sizes_bucket", "configmaps", 'le="4096"') == 1


async def test_who_is_known_and_who_is_not_is_counted(served: Any, http: Any) -> None:
    before = await scrape(http)
    answer = await http.get("/api", headers={"Authorization": "Bearer nonsense"})
    assert answer.status == 200  # the certificate proves enough
    assert await grown(http, before, "authentication_attempts", 'result="success"') > 0
    assert await grown(http, before, "authenticated_user_requests") > 0
