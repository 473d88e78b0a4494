"""LocalSubjectAccessReviews: whether a user may do something in one namespace."""

from master.registry.base import Verb
from master.registry.reviews import AccessReview
from master.registry.strategy import Strategy, kind
from timonel.api.types import authorization_v1


@kind(authorization_v1.LocalSubjectAccessReview, plural="localsubjectaccessreviews")
class LocalSubjectAccessReviews(Strategy[authorization_v1.LocalSubjectAccessReview]):
    """Answered when posted; whoever may post it in a namespace may ask about that namespace."""

    verbs = frozenset({Verb.CREATE})
    performs = AccessReview[authorization_v1.LocalSubjectAccessReview]()
