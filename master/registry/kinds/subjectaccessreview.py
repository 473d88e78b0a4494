"""SubjectAccessReviews: whether a user may do something."""

from master.registry.base import Verb
from master.registry.reviews import AccessReview
from master.registry.strategy import Strategy, kind
from timonel.api.types import authorization_v1


@kind(authorization_v1.SubjectAccessReview, plural="subjectaccessreviews", namespaced=False)
class SubjectAccessReviews(Strategy[authorization_v1.SubjectAccessReview]):
    """Answered when posted; asks for any user."""

    verbs = frozenset({Verb.CREATE})
    performs = AccessReview[authorization_v1.SubjectAccessReview]()
