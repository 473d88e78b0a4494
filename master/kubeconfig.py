"""Kubeconfig files with everything embedded."""

import base64
from typing import Any

from master.pki import KeyPair, Pki

ADMIN = "kubernetes-admin"
ADMINS_GROUP = "system:masters"


def kubeconfig(
    server: str, ca_pem: bytes, client: KeyPair, *, cluster: str = "timonel", user: str = ADMIN, namespace: str = ""
) -> dict[str, Any]:
    """A kubeconfig with one cluster, one user and one context, named as kubeadm names them.

    Args:
        server: the API server's URL, for instance `https://127.0.0.1:6443`.
        ca_pem: the certificate of the authority that signed the server's.
        client: the user's certificate and key.
        cluster: the cluster's name in the file.
        user: the user's name in the file.
        namespace: the context's namespace; empty leaves it to the client, which takes `default`.
    """
    context = {"cluster": cluster, "user": user} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": _base64(ca_pem)}}],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _base64(client.certificate),
                    "client-key-data": _base64(client.key),
                },
            }
        ],
        "contexts": [{"name": f"{user}@{cluster}", "context": context}],
        "current-context": f"{user}@{cluster}",
        "preferences": {},
    }


def admin_kubeconfig(pki: Pki, server: str, *, cluster: str = "timonel") -> dict[str, Any]:
    """A kubeconfig for a new administrator's certificate."""
    return kubeconfig(server, pki.ca_pem, pki.issue_client(ADMIN, [ADMINS_GROUP]), cluster=cluster)


def to_yaml(config: dict[str, Any]) -> str:
    """The kubeconfig as the text of its file."""
    import yaml

    return yaml.safe_dump(config, sort_keys=False)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
