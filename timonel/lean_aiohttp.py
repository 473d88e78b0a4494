"""aiohttp, imported without reading the system's certificate authorities.

Its import makes TLS contexts for those who bring none, which parses every authority of the system: 60 ms and 2 MiB in
each process. Nothing of ours uses them: every connection has a context of its own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_SOURCES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where OpenSSL looks for authorities."""


@contextmanager
def _no_authorities() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _SOURCES}
    os.environ.update(dict.fromkeys(_SOURCES, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


with _no_authorities():
    import aiohttp

__all__ = ["aiohttp"]
