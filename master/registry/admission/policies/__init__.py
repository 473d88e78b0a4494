"""Admission policies: expressions that judge and change writes, bound to requests and parameters by bindings.

`matching` says which policies concern a write and with which parameters, `compiled` holds their expressions ready,
`judging` and `changing` say what comes of them, and `plugins` does it in order.
"""

from master.registry.admission.policies.plugins import MutatingPolicies, ValidatingPolicies

__all__ = ["MutatingPolicies", "ValidatingPolicies"]
