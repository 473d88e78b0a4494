"""Reviews of who somebody is: the caller itself, or whose a token is."""

from master.registry.base import User
from master.registry.objects import Call
from master.registry.subresources import Action, Actor
from timonel.api.errors import BadRequest, ServiceUnavailable, Unauthorized
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
        try:
            found = await actor.verifier.verify(body.spec.token, body.spec.audiences)
        except Unauthorized as refused:
            body.status = v1.TokenReviewStatus(user=v1.UserInfo(), error=str(refused))
        else:
            user, audiences = user_info(found.user), list(found.audiences)
            body.status = v1.TokenReviewStatus(authenticated=True, user=user, audiences=audiences)
        return body


def user_info(user: User) -> v1.UserInfo:
    """A user as reviews show it."""
    extra = {key: list(values) for key, values in user.extra.items()}
    return v1.UserInfo(username=user.name, uid=user.uid, groups=list(user.groups), extra=extra)
