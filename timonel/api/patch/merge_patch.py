"""JSON merge patch (RFC 7386)."""

from __future__ import annotations

from typing import Any

from timonel.api.errors import BadRequest


def merge_patch(doc: Any, patch: Any) -> dict[str, Any]:
    """`doc` with the members of `patch` set, those that are null removed, and objects merged member by member.

    Raises BadRequest when `patch` is not an object: an API object cannot be replaced by something else.
    """
    if not isinstance(patch, dict):
        raise BadRequest("a JSON merge patch must be an object")
    merged: dict[str, Any] = merge_value(doc, patch)
    return merged


def merge_value(value: Any, patch: Any) -> Any:
    """The RFC's algorithm, for any JSON value; as in Kubernetes, objects in lists bring no nulls either."""
    if isinstance(patch, list):
        return [merge_value(None, item) for item in patch]
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_value(merged.get(key), item)
    return merged
