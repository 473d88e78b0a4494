"""TokenReviews: whose a bearer token is."""

from master.registry.base import Verb
from master.registry.identities import TokenReview
from master.registry.strategy import Strategy, kind
from timonel.api.types import authentication_v1


@kind(authentication_v1.TokenReview, plural="tokenreviews", namespaced=False)
class TokenReviews(Strategy[authentication_v1.TokenReview]):
    """Answered when posted."""

    verbs = frozenset({Verb.CREATE})
    performs = TokenReview()
