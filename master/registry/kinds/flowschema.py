"""FlowSchemas."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import StatusAlone
from master.registry.validation.flowcontrol import validate_flow_schema
from timonel.api.fields import FieldError
from timonel.api.types import flowcontrol_v1 as v1

PRECEDENCE = 1000


def _missing(schema: v1.FlowSchema) -> str:
    """Whether its priority level is missing."""
    return next((found.status or "?" for found in schema.status.conditions if found.type == "Dangling"), "?")


@kind(v1.FlowSchema, plural="flowschemas", namespaced=False)
class FlowSchemas(Strategy[v1.FlowSchema]):
    """Which requests belong together, and to which priority level."""

    has_generation = True
    columns = [
        Column("PriorityLevel", lambda schema: schema.spec.priorityLevelConfiguration.name),
        Column("MatchingPrecedence", lambda schema: schema.spec.matchingPrecedence, "integer"),
        Column(
            "DistinguisherMethod",
            lambda schema: schema.spec.distinguisherMethod.type if schema.spec.distinguisherMethod else "<none>",
        ),
        age(),
        Column("MissingPL", _missing),
    ]
    subresources = [StatusAlone()]

    def default(self, obj: v1.FlowSchema, old: v1.FlowSchema | None) -> None:
        """In the middle of the order."""
        if not obj.spec.matchingPrecedence:
            obj.spec.matchingPrecedence = PRECEDENCE

    def prepare_create(self, obj: v1.FlowSchema, call: object) -> None:
        """Nobody has looked at it yet."""
        obj.status = v1.FlowSchemaStatus()

    def validate(self, obj: v1.FlowSchema, old: v1.FlowSchema | None) -> Iterator[FieldError]:
        """See `validation.flowcontrol`."""
        yield from validate_flow_schema(obj.spec, obj.metadata.name or "")
