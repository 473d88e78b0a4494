"""What everybody may read, known or not: whether the server is well, and which version it is."""

from master.registry.authz.base import ALLOW, NO_OPINION, Attributes, Verdict

FOR_ALL = ("/healthz", "/livez", "/readyz", "/version")
FOR_AUTHENTICATED = ("/api", "/apis", "/openapi")
AUTHENTICATED = "system:authenticated"


class Public:
    """Health and version for all; discovery, which kubectl needs before anything else, for whoever is authenticated."""

    def authorize(self, asked: Attributes) -> Verdict:
        """Judge paths that are no resource."""
        if asked.resource is not None or asked.verb not in ("get", "head"):
            return NO_OPINION
        allowed = FOR_ALL + FOR_AUTHENTICATED if AUTHENTICATED in asked.user.groups else FOR_ALL
        return ALLOW if any(asked.path == p or asked.path.startswith(f"{p}/") for p in allowed) else NO_OPINION
