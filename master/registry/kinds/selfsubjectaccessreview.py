"""SelfSubjectAccessReviews: whether the caller may do something."""

from master.registry.base import Verb
from master.registry.reviews import AccessReview
from master.registry.strategy import Strategy, kind
from timonel.api.types import authorization_v1


@kind(authorization_v1.SelfSubjectAccessReview, plural="selfsubjectaccessreviews", namespaced=False)
class SelfSubjectAccessReviews(Strategy[authorization_v1.SelfSubjectAccessReview]):
    """Answered when posted; `kubectl auth can-i` asks so."""

    verbs = frozenset({Verb.CREATE})
    performs = AccessReview[authorization_v1.SelfSubjectAccessReview]()
