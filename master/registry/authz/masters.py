"""The group system:masters may do everything."""

from master.registry.authz.base import ALLOW, NO_OPINION, Attributes, Verdict

MASTERS = "system:masters"


class Masters:
    """Allows everything to members of system:masters: the master's own parts and the administrator's certificate."""

    def authorize(self, asked: Attributes) -> Verdict:
        """Allow members, leave all others to the next authorizer."""
        return ALLOW if MASTERS in asked.user.groups else NO_OPINION
