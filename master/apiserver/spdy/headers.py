"""Header blocks: names and values, deflated with the dictionary that SPDY/3 prescribes.

All blocks of one direction share one zlib stream, so a block that was not understood makes the later ones unreadable.
"""

import struct
import zlib
from collections.abc import Mapping

from master.apiserver.spdy.failure import SpdyError

MAX_BLOCK_BYTES = 16 * 1024
"""A block's size once inflated; a few bytes can claim to inflate to very many."""

_NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_MORE = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)

Headers = Mapping[str, str]
"""Lower-case names; several values of one name are joined by NUL."""


def _sized(text: str) -> bytes:
    data = text.encode("latin-1")
    return struct.pack("!I", len(data)) + data


DICTIONARY = b"".join(map(_sized, (*_NAMES.split(), *_MORE))) + _TEXT.encode()


class HeaderWriter:
    """Deflates the blocks of one direction."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def write(self, headers: Headers) -> bytes:
        """The block for `headers`."""
        plain = struct.pack("!I", len(headers)) + b"".join(_sized(each) for pair in headers.items() for each in pair)
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class HeaderReader:
    """Inflates the blocks of one direction."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def read(self, block: bytes) -> Headers:
        """The headers of a block.

        Raises:
            SpdyError: it is damaged or too large.
        """
        try:
            plain = self._inflate.decompress(block, MAX_BLOCK_BYTES + 1)
        except zlib.error as error:
            raise SpdyError(f"a header block cannot be inflated: {error}") from None
        if len(plain) > MAX_BLOCK_BYTES or self._inflate.unconsumed_tail:
            raise SpdyError(f"a header block inflates to more than {MAX_BLOCK_BYTES} bytes")
        if self._inflate.eof:
            raise SpdyError("a header block ends the stream of header blocks")
        return _parse(plain)


def _parse(plain: bytes) -> Headers:
    try:
        (count,) = struct.unpack_from("!I", plain)
        offset, headers = 4, dict[str, str]()
        while offset < len(plain):
            name, offset = _text(plain, offset)
            value, offset = _text(plain, offset)
            if not name or name != name.lower() or name in headers:
                raise SpdyError(f"a header's name is empty, repeated or not in lower case: {name!r}")
            headers[name] = value
    except struct.error:
        raise SpdyError("a header block is cut short") from None
    if len(headers) != count:
        raise SpdyError(f"a header block announces {count} headers and has {len(headers)}")
    return headers


def _text(plain: bytes, offset: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("!I", plain, offset)
    end = offset + 4 + size
    if end > len(plain):
        raise SpdyError("a header block is cut short")
    return plain[offset + 4 : end].decode("latin-1"), end
