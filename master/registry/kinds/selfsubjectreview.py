"""SelfSubjectReviews: who the caller is."""

from master.registry.base import Verb
from master.registry.identities import SelfReview
from master.registry.strategy import Strategy, kind
from timonel.api.types import authentication_v1


@kind(authentication_v1.SelfSubjectReview, plural="selfsubjectreviews", namespaced=False)
class SelfSubjectReviews(Strategy[authentication_v1.SelfSubjectReview]):
    """Answered when posted; `kubectl auth whoami` asks so."""

    verbs = frozenset({Verb.CREATE})
    performs = SelfReview()
