"""CustomResourceDefinitions: there are none yet, and clients that look for a kind's definition are told so."""

from master.registry.base import Verb
from master.registry.columns import Column
from master.registry.strategy import Strategy, kind
from timonel.api.types import apiextensions_v1


@kind(
    apiextensions_v1.CustomResourceDefinition,
    plural="customresourcedefinitions",
    short=["crd", "crds"],
    namespaced=False,
)
class CustomResourceDefinitions(Strategy[apiextensions_v1.CustomResourceDefinition]):
    """Read only: kubectl lists them before it calls a kind unknown."""

    verbs = frozenset({Verb.GET, Verb.LIST, Verb.WATCH})
    columns = [Column("Created At", lambda definition: definition.metadata.creationTimestamp)]
