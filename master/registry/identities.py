"""Reviews of who somebody is: the caller itself, or whose a token is."""

from master.registry.base import User
from master.registry.objects import Call
from master.registry.subresources import Action, Actor
from timonel.api.errors import BadRequest, ServiceUnavailable
from timonel.api.types import authentication_v1 as v1


class SelfReview(Action[v1.SelfSubjectReview]):
    """Who the caller is; `kubectl auth whoami` asks so."""

    async def run(self, actor: Actor, call: Call, body: v1.SelfSubjectReview) -> v1.SelfSubjectReview:
        """Say what authentication, and impersonation after it, have found."""
        body.metadata.creationTimestamp = call.now
        body.status = v1.SelfSubjectReviewStatus(userInfo=user_info(call.user))
        return body


class TokenReview(Action[v1.TokenReview]):
    """Whose a token is."""

    async def run(self, actor: Actor, call: Call, body: v1.TokenReview) -> v1.TokenReview:
        """Have the token verified.

        Raises:
            BadRequest: the review has no token.
        """
        if not body.spec.token:
            raise BadRequest("token is required for TokenReview in authentication")
        if actor.verifier is None:
            raise ServiceUnavailable("this server verifies no tokens")
        found = await actor.verifier.verify(body.spec.token, body.spec.audiences)
        body.status = v1.TokenReviewStatus(user=v1.UserInfo())
        if found is None:
            body.status.error = "invalid bearer token, or none for these audiences"
        else:
            body.status.authenticated = True
            body.status.user = user_info(found.user)
            body.status.audiences = list(found.audiences)
        return body


def user_info(user: User) -> v1.UserInfo:
    """A user as reviews show it."""
    extra = {key: list(values) for key, values in user.extra.items()}
    return v1.UserInfo(username=user.name, uid=user.uid or None, groups=list(user.groups), extra=extra)
