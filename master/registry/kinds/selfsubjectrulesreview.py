"""SelfSubjectRulesReviews: all that the caller may do in a namespace."""

from master.registry.base import Verb
from master.registry.reviews import RulesReview
from master.registry.strategy import Strategy, kind
from timonel.api.types import authorization_v1


@kind(authorization_v1.SelfSubjectRulesReview, plural="selfsubjectrulesreviews", namespaced=False)
class SelfSubjectRulesReviews(Strategy[authorization_v1.SelfSubjectRulesReview]):
    """Answered when posted; `kubectl auth can-i --list` asks so."""

    verbs = frozenset({Verb.CREATE})
    performs = RulesReview()
