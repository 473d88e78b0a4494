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
        for path, item in other["paths"].items():
            if path == prefix or path.startswith(f"{prefix}/"):
                paths.setdefault(path, item)
        definitions = {**other["definitions"], **definitions}
    return {**document, "paths": paths, "definitions": definitions}
