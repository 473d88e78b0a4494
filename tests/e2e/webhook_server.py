"""Runs in a pod: admission webhooks, a conversion webhook and an extension API server over HTTPS; see its test.

The path of an admission webhook says what it does:
    /deny                  refuses what has the label or the datum `bad`, and streams to pods with such a name
    /slow                  allows after two seconds
    /patch/any/NEW...      puts data in
    /patch/KEY/NEW...      puts data in where there is such a datum
    /init                  puts an init container of the image $IMAGE into a pod
"""

import base64
import json
import os
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Document = dict[str, Any]
SLOW_SECONDS = 2
GROUP_VERSION = "extended.example.com/v1"
MEMBERS = {"name": "things", "singularName": "thing", "namespaced": False, "kind": "Thing", "verbs": ["get", "list"]}
THING = {"kind": "Thing", "apiVersion": GROUP_VERSION, "metadata": {"name": "t"}}
SERVED = {
    f"/apis/{GROUP_VERSION}": {"kind": "APIResourceList", "groupVersion": GROUP_VERSION, "resources": [MEMBERS]},
    f"/apis/{GROUP_VERSION}/things": {"kind": "ThingList", "apiVersion": GROUP_VERSION, "items": [THING]},
}


def deny(asked: Document) -> Document:
    """Refuse what is bad."""
    for obj in (asked["object"] or {}, asked["oldObject"] or {}):
        if "bad" in {**obj.get("metadata", {}).get("labels", {}), **obj.get("data", {})}:
            return {"allowed": False, "status": {"message": "it is bad", "code": 403}}
    bad = asked["operation"] == "CONNECT" and asked["name"].startswith("bad")
    return {"allowed": False, "status": {"message": f"no {asked['subResource']}"}} if bad else {"allowed": True}


def slow(_: Document) -> Document:
    """Allow, later."""
    time.sleep(SLOW_SECONDS)
    return {"allowed": True}


def patch(asked: Document, wanted: str, *added: str) -> Document:
    """Put data in where another is there."""
    if wanted not in ("any", *asked["object"].get("data", {})):
        return {"allowed": True}
    return _patched(*({"op": "add", "path": f"/data/{key}", "value": "webhook"} for key in added))


def init(_: Document) -> Document:
    """Put an init container in, with no more said of it than must be."""
    container = {"name": "added", "image": os.environ["IMAGE"], "command": ["true"]}
    return _patched({"op": "add", "path": "/spec/initContainers", "value": [container]})


def convert(asked: Document) -> Document:
    """v1 has hostPort, v2 host and port."""
    version = asked["desiredAPIVersion"]
    converted = []
    for obj in asked["objects"]:
        if version.endswith("/v2"):
            host, _, port = obj.pop("hostPort", ":").partition(":")
            obj.update(host=host, port=port)
        else:
            obj["hostPort"] = f"{obj.pop('host', '')}:{obj.pop('port', '')}"
        converted.append({**obj, "apiVersion": version})
    return {"convertedObjects": converted, "result": {"status": "Success"}}


def _patched(*operations: Document) -> Document:
    patch = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": patch}


WEBHOOKS = {each.__name__: each for each in (deny, slow, patch, init, convert)}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """What the extension API server serves."""
        found = SERVED.get(self.path.partition("?")[0])
        self._answer(200 if found else 404, found or {})

    def do_POST(self) -> None:
        """A webhook's call."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, *words = self.path.partition("?")[0].strip("/").split("/")
        asked = review.pop("request")
        said = WEBHOOKS[name](asked, *words)
        self._answer(200, review | {"response": {"uid": asked["uid"], **said}})

    def _answer(self, code: int, body: Document) -> None:
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


if __name__ == "__main__":
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*sys.argv[1:])
    server = ThreadingHTTPServer(("", 8444), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()
