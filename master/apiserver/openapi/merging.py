"""Puts the OpenAPI documents of extension servers into this server's own."""

from typing import Any

Document = dict[str, Any]


def merged(document: Document, others: list[tuple[str, Document]]) -> Document:
    """An OpenAPI 2 document with the paths, and what these refer to, of extension servers.

    Args:
        document: this server's own; a definition that both have is taken from it.
        others: for each extension server the path below which it serves, ``/apis/g/v``, and its document.
    """
    paths, definitions = dict(document["paths"]), dict(document["definitions"])
    for prefix, other in others:
        found = other.get("paths")
        for path, item in found.items() if isinstance(found, dict) else ():
            if path == prefix or path.startswith(f"{prefix}/"):
                paths.setdefault(path, item)
        definitions = {**_dict(other.get("definitions")), **definitions}
    return {**document, "paths": paths, "definitions": definitions}


def _dict(found: Any) -> Document:
    return found if isinstance(found, dict) else {}
