"""Schemathesis' hooks: they lead its requests to objects that exist, and away from what would only wait."""

import collections
from collections.abc import Iterator
from itertools import count
from typing import Any

import schemathesis

SHARE = 8
"""Of the cases of the coverage phase, one in so many is sent: thousands differ by one field alone."""
WATCHED = 8
"""Of the watches, one in so many is sent: each takes its second."""

_seen: dict[str, Iterator[int]] = collections.defaultdict(count)


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Thin out the coverage phase, evenly."""
    assert case.meta is not None
    return case.meta.phase.name.value != "coverage" or next(_seen[case.operation.label]) % SHARE == 0


@schemathesis.hook
def map_case(context: schemathesis.HookContext, case: schemathesis.Case) -> schemathesis.Case:
    """Write to one namespace and few names, so that requests meet each other's objects."""
    often = next(_seen["all"]) % 4
    path, query, body = case.path_parameters, case.query, case.body
    if "namespace" in path:
        path["namespace"] = "default"
    if often and isinstance(path.get("name"), str) and "proxy" not in case.path:
        path["name"] = "a"
    if often and isinstance(body, dict) and isinstance(body.get("metadata", {}), dict):
        body["metadata"] = {**body.get("metadata", {}), "name": "a"}
    if query:
        _hasten(query)
    return case


def _hasten(query: dict[str, Any]) -> None:
    """Watches end after a second; versions of the future, for which servers wait three, become the first."""
    if "watch" in query:
        if next(_seen["watch"]) % WATCHED:
            del query["watch"]
        query["timeoutSeconds"] = 1
    if str(query.get("resourceVersion", "")).isdigit():
        query["resourceVersion"] = "1"
