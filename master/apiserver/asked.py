"""What a request asks for, in the words that audit, fairness and metrics share."""

from aiohttp import web

from master.apiserver import options
from master.apiserver.paths import Target

LONG = frozenset({"attach", "exec", "log", "portforward", "proxy"})
"""Subresources whose answers last as long as both sides like. Source: Kubernetes' long-running requests."""

_ITEM = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION = {**_ITEM, "GET": "list", "HEAD": "list", "DELETE": "deletecollection"}


def verb_of(http: web.BaseRequest, target: Target | None) -> str:
    """The verb of a request, as rules name it; of a path that is no resource, the method."""
    if target is None:
        return http.method.lower()
    if target.watch and http.method == "GET":
        return "watch"
    if target.name:
        return _ITEM.get(http.method, http.method.lower())
    verb = _COLLECTION.get(http.method, http.method.lower())
    return "watch" if verb == "list" and http.query_string and options.boolean(http.query, "watch") else verb


def is_long(target: Target | None, verb: str) -> bool:
    """Whether the answer may last as long as both sides like."""
    return verb == "watch" or (target is not None and target.subresource in LONG)
