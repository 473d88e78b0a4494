"""An operator as its users write them, run by ``kopf run``: it tells what it does in ConfigMaps of its gardens."""

from typing import Any

import kopf

GARDENS = ("farm.example.com", "v1", "gardens")


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = "farm.example.com/gardener"
    settings.watching.server_timeout = 60


@kopf.on.create(*GARDENS)
def planted(spec: kopf.Spec, **_: Any) -> dict[str, Any]:
    return {"beds": spec["beds"]}


@kopf.on.update(*GARDENS, field="spec.plant")
def replanted(old: str, new: str, **_: Any) -> dict[str, Any]:
    return {"was": old, "is": new}


@kopf.timer(*GARDENS, interval=0.2, initial_delay=0.1)
def watered(status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    if status.get("watered", 0) < 3:
        patch.status["watered"] = status.get("watered", 0) + 1


@kopf.on.delete(*GARDENS)
def cleared(name: str, logger: kopf.Logger, **_: Any) -> None:
    logger.info("cleared %s", name)
