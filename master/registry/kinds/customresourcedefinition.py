"""CustomResourceDefinitions: kinds that users define. `master.registry.custom` serves what they define."""

from collections.abc import Iterator

from master.registry.columns import Column
from master.registry.custom.serving import is_established
from master.registry.objects import Call
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.validation.customresourcedefinition import (
    approval_faults,
    names_faults,
    stored_faults,
    validate_definition,
)
from master.registry.webhookcalls import HTTPS
from timonel.api.fields import FieldError, Path
from timonel.api.types import apiextensions_v1 as v1

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer under which the objects of a definition go before it does."""


@kind(
    v1.CustomResourceDefinition,
    plural="customresourcedefinitions",
    short=["crd", "crds"],
    namespaced=False,
    categories=["api-extensions"],
)
class CustomResourceDefinitions(Strategy[v1.CustomResourceDefinition]):
    """Names, versions and schemas of a kind."""

    unconditional_update = False
    has_generation = True
    subresources = [Status()]
    columns = [Column("Created At", lambda definition: definition.metadata.creationTimestamp)]

    def default(self, obj: v1.CustomResourceDefinition, old: v1.CustomResourceDefinition | None) -> None:
        """Names that follow from the kind; versions that differ in name only."""
        names = obj.spec.names
        names.singular = names.singular or names.kind.lower()
        names.listKind = names.listKind or (f"{names.kind}List" if names.kind else "")
        obj.spec.conversion = conversion = obj.spec.conversion or v1.CustomResourceConversion(strategy="None")
        client = conversion.webhook.clientConfig if conversion.webhook else None
        if client and client.service and client.service.port is None:
            client.service.port = HTTPS

    def prepare_create(self, obj: v1.CustomResourceDefinition, call: Call) -> None:
        """Nothing is stored but in the version that stores."""
        obj.status = v1.CustomResourceDefinitionStatus()
        _note_storage(obj)

    def prepare_update(self, new: v1.CustomResourceDefinition, old: v1.CustomResourceDefinition, call: Call) -> None:
        """A new version that stores is noted at once: objects in it may come with the next write."""
        new.status = v1.CustomResourceDefinitionStatus(
            acceptedNames=old.status.acceptedNames,
            conditions=list(old.status.conditions),
            observedGeneration=old.status.observedGeneration,
            storedVersions=list(old.status.storedVersions),
        )
        _note_storage(new)

    def validate(
        self, obj: v1.CustomResourceDefinition, old: v1.CustomResourceDefinition | None
    ) -> Iterator[FieldError]:
        """See `validation.customresourcedefinition`; a spec that was accepted is not looked at again."""
        if old is not None and obj.spec == old.spec:
            yield from approval_faults(obj, old)
            return
        yield from validate_definition(obj, old, established=old is not None and is_established(old))

    def validate_status(
        self, new: v1.CustomResourceDefinition, old: v1.CustomResourceDefinition
    ) -> Iterator[FieldError]:
        """The accepted names are names, and no version with objects is forgotten."""
        yield from names_faults(new.status.acceptedNames, Path("status.acceptedNames"), needed=False)
        yield from stored_faults(new)

    def held(self, obj: v1.CustomResourceDefinition) -> bool:
        """A deletion always begins with the objects: `prepare_delete` puts the finalizer on."""
        return bool(obj.metadata.finalizers) or obj.metadata.deletionTimestamp is None

    def prepare_delete(self, obj: v1.CustomResourceDefinition) -> None:
        """The objects go first, which takes no grace period, not even one of nought."""
        obj.metadata.deletionGracePeriodSeconds = None
        if CLEANUP not in obj.metadata.finalizers:
            obj.metadata.finalizers.append(CLEANUP)
        if all(each.type != "Terminating" for each in obj.status.conditions):
            told = v1.CustomResourceDefinitionCondition(
                type="Terminating",
                status="True",
                reason="InstanceDeletionPending",
                message="CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
                lastTransitionTime=obj.metadata.deletionTimestamp,
            )
            obj.status.conditions.append(told)


def _note_storage(obj: v1.CustomResourceDefinition) -> None:
    stored = obj.status.storedVersions
    stored += [version.name for version in obj.spec.versions if version.storage and version.name not in stored]
