"""Makes what a server behind a proxy says of its own URLs true for the proxy's clients: redirections and HTML pages.

Source: how Kubernetes' proxies rewrite; https://html.spec.whatwg.org/multipage/indices.html#attributes-3 for the
attributes that hold URLs.
"""

import html
import re
from urllib.parse import urlsplit, urlunsplit

_ATTRIBUTES = {
    "a": "href",
    "applet": "codebase",
    "area": "href",
    "audio": "src",
    "base": "href",
    "blockquote": "cite",
    "body": "background",
    "button": "formaction",
    "command": "icon",
    "del": "cite",
    "embed": "src",
    "form": "action",
    "frame": "longdesc src",
    "head": "profile",
    "html": "manifest",
    "iframe": "longdesc src",
    "img": "longdesc src usemap",
    "input": "src usemap formaction",
    "ins": "cite",
    "link": "href",
    "object": "classid codebase data usemap",
    "q": "cite",
    "script": "src",
    "source": "src",
    "video": "poster src",
}
_TAG = re.compile(r"""<([a-zA-Z]+)(\s(?:[^<>"']|"[^"]*"|'[^']*')*)>""")
_ATTRIBUTE = re.compile(r"""([a-zA-Z][\w-]*)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'<>=`]+)""")


def url(text: str, prefix: str, hosts: tuple[str, ...]) -> str:
    """A URL as clients of the proxy see it: what is absolute on one of the server's `hosts` is moved below `prefix`."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if (parts.netloc and parts.netloc not in hosts) or not parts.path.startswith("/"):
        return text
    path = parts.path if parts.path.startswith(prefix) else f"{prefix}{parts.path}"
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def page(text: str, prefix: str, hosts: tuple[str, ...]) -> str:
    """An HTML page with its URLs moved, as `url` does."""

    def tag(found: re.Match[str]) -> str:
        wanted = _ATTRIBUTES.get(found[1].lower(), "").split()
        if not wanted:
            return found[0]

        def attribute(pair: re.Match[str]) -> str:
            if pair[1].lower() not in wanted:
                return pair[0]
            value = html.unescape(pair[3].strip("\"'"))
            moved = url(value, prefix, hosts)
            return pair[0] if moved == value else f'{pair[1]}{pair[2]}"{html.escape(moved)}"'

        return f"<{found[1]}{_ATTRIBUTE.sub(attribute, found[2])}>"

    return _TAG.sub(tag, text)
