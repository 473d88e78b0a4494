"""SPDY/3.1, the server's side: what kubectl speaks for port-forward, and older clients for exec and attach.

`frames` and `headers` are the codec and `connection` the rules of the protocol, all three without input or output;
`session` runs a connection over a pipe and gives its streams to asyncio.
Source of all rules: the SPDY Protocol, drafts 3 and 3.1 (chromium.org/spdy).
"""
