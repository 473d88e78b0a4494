"""What is wrong with bytes that are not SPDY."""


class SpdyError(Exception):
    """The peer breaks the protocol in a way that ends the connection."""
