"""What paths name."""

import pytest

from master.apiserver.paths import Target, parse


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods", Target("", "v1", "pods")),
        ("/api/v1/namespaces", Target("", "v1", "namespaces")),
        ("/api/v1/namespaces/a", Target("", "v1", "namespaces", name="a")),
        ("/api/v1/namespaces/a/status", Target("", "v1", "namespaces", name="a", subresource="status")),
        ("/api/v1/namespaces/a/finalize", Target("", "v1", "namespaces", name="a", subresource="finalize")),
        ("/api/v1/namespaces/a/pods/", Target("", "v1", "pods", "a")),
        ("/api/v1/namespaces/a/pods/b", Target("", "v1", "pods", "a", "b")),
        ("/api/v1/namespaces/a/pods/b/log", Target("", "v1", "pods", "a", "b", "log")),
        ("/api/v1/namespaces/a/pods/b/proxy/x/y", Target("", "v1", "pods", "a", "b", "proxy", "/x/y")),
        ("/api/v1/namespaces/a/pods/b:80/proxy", Target("", "v1", "pods", "a", "b:80", "proxy")),
        ("/api/v1/namespaces/a/pods/b/proxy/", Target("", "v1", "pods", "a", "b", "proxy", "/")),
        ("/api/v1/nodes/n/proxy//x%2Fy/", Target("", "v1", "nodes", "", "n", "proxy", "//x%2Fy/")),
        ("/api/v1/nodes/n/status", Target("", "v1", "nodes", name="n", subresource="status")),
        ("/apis/apps/v1/namespaces/a/deployments/d/scale", Target("apps", "v1", "deployments", "a", "d", "scale")),
        ("/apis/a.b/v1/namespaces/n/xs/x%2Fy", Target("a.b", "v1", "xs", "n", "x/y")),
        ("/api/v1/watch/pods", Target("", "v1", "pods", watch=True)),
        ("/apis/apps/v1/watch/namespaces/a/deployments/d", Target("apps", "v1", "deployments", "a", "d", watch=True)),
    ],
)
def test_resource_paths(path: str, expected: Target) -> None:
    assert parse(path) == expected


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version", "/api/v1//pods"]
)
def test_other_paths_name_no_resource(path: str) -> None:
    assert parse(path) is None
