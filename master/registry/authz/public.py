"""What everybody may do whatever roles say: ask whether the server is well (kube-apiserver's
--authorization-always-allow-paths by default). All else that is public is so by the default roles.
"""

from master.registry.authz.base import ALLOW, NO_OPINION, Attributes, Verdict

FOR_ALL = frozenset({"/healthz", "/livez", "/readyz"})


class Public:
    """Allows the paths of health."""

    def authorize(self, asked: Attributes) -> Verdict:
        """Judge by the path alone."""
        return ALLOW if asked.resource is None and asked.path in FOR_ALL else NO_OPINION
