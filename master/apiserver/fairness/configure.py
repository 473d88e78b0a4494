"""Makes levels of PriorityLevelConfigurations: shares of the server become seats."""

from __future__ import annotations

import math
from collections.abc import Mapping

from master.apiserver.fairness.seats import Level, Queue
from timonel.api.types import flowcontrol_v1 as v1


def levels_of(
    wanted: Mapping[str, v1.PriorityLevelConfiguration], concurrency: int, present: Mapping[str, Level]
) -> dict[str, Level]:
    """The levels by name. One that is ``present`` is changed in place, unless its queues have changed: then a new one
    takes its place, and what waits in the old one runs out.
    """
    total = sum(_shares(each.spec) for each in wanted.values()) or 1
    result = {}
    for name, each in wanted.items():
        level = _shaped(name, each.spec)
        known = present.get(name)
        if known is not None and (known.exempt, len(known.queues)) == (level.exempt, len(level.queues)):
            known.hand_size, known.queue_length = level.hand_size, level.queue_length
            level = known
        level.nominal = math.ceil(concurrency * _shares(each.spec) / total)
        result[name] = level
    for name, level in result.items():
        limited = wanted[name].spec.limited or v1.LimitedPriorityLevelConfiguration()
        level.kept = level.nominal - _percent(level.nominal, limited.lendablePercent or 0)
        percent = limited.borrowingLimitPercent
        level.most = level.nominal + (concurrency if percent is None else _percent(level.nominal, percent))
    return result


def _shaped(name: str, spec: v1.PriorityLevelConfigurationSpec) -> Level:
    response = spec.limited.limitResponse if spec.limited else None
    queuing = response.queuing if response else None
    if queuing is None:
        return Level(name, exempt=spec.type == "Exempt")
    queues = [Queue() for _ in range(queuing.queues or 1)]
    return Level(name, queues=queues, hand_size=queuing.handSize or 1, queue_length=queuing.queueLengthLimit)


def _shares(spec: v1.PriorityLevelConfigurationSpec) -> int:
    chosen = spec.limited or spec.exempt
    return (chosen.nominalConcurrencyShares or 0) if chosen else 0


def _percent(number: int, percent: int) -> int:
    """Rounded half up, as Kubernetes does."""
    return (number * percent + 50) // 100
