"""PriorityLevelConfigurations."""

from collections.abc import Iterator

from master.registry.columns import Cell, Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import StatusAlone
from master.registry.validation.flowcontrol import validate_level
from timonel.api.fields import FieldError
from timonel.api.types import flowcontrol_v1 as v1

SHARES = 30
QUEUES = 64
HAND = 8
QUEUE_LENGTH = 50
NONE = "<none>"


def _queuing(level: v1.PriorityLevelConfiguration, field: str) -> Cell:
    response = level.spec.limited.limitResponse if level.spec.limited else None
    return str(getattr(response.queuing, field)) if response and response.queuing else NONE


def _shares(level: v1.PriorityLevelConfiguration) -> Cell:
    chosen = level.spec.limited or level.spec.exempt
    return NONE if chosen is None else str(chosen.nominalConcurrencyShares or 0)


@kind(v1.PriorityLevelConfiguration, plural="prioritylevelconfigurations", namespaced=False)
class PriorityLevelConfigurations(Strategy[v1.PriorityLevelConfiguration]):
    """A share of the server, for requests that are equally important."""

    has_generation = True
    columns = [
        Column("Type", lambda level: level.spec.type),
        Column("NominalConcurrencyShares", _shares),
        Column("Queues", lambda level: _queuing(level, "queues")),
        Column("HandSize", lambda level: _queuing(level, "handSize")),
        Column("QueueLengthLimit", lambda level: _queuing(level, "queueLengthLimit")),
        age(),
    ]
    subresources = [StatusAlone()]

    def default(self, obj: v1.PriorityLevelConfiguration, old: v1.PriorityLevelConfiguration | None) -> None:
        """Thirty shares, of which none are lent; 64 queues of 50 where requests wait."""
        limited, exempt = obj.spec.limited, obj.spec.exempt
        if exempt:
            exempt.nominalConcurrencyShares = exempt.nominalConcurrencyShares or 0
            exempt.lendablePercent = exempt.lendablePercent or 0
        if limited is None:
            return
        if limited.nominalConcurrencyShares is None:
            limited.nominalConcurrencyShares = SHARES
        limited.lendablePercent = limited.lendablePercent or 0
        queuing = limited.limitResponse.queuing
        if queuing:
            queuing.queues = queuing.queues or QUEUES
            queuing.handSize = queuing.handSize or HAND
            queuing.queueLengthLimit = queuing.queueLengthLimit or QUEUE_LENGTH

    def prepare_create(self, obj: v1.PriorityLevelConfiguration, call: object) -> None:
        """Nobody has looked at it yet."""
        obj.status = v1.PriorityLevelConfigurationStatus()

    def validate(
        self, obj: v1.PriorityLevelConfiguration, old: v1.PriorityLevelConfiguration | None
    ) -> Iterator[FieldError]:
        """See `validation.flowcontrol`."""
        yield from validate_level(obj.spec, obj.metadata.name or "")
