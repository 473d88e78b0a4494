"""CSIDrivers."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import unchanged
from timonel.api.fields import FieldError, Path, duplicate, invalid, not_supported
from timonel.api.types import storage_v1

SPEC = Path("spec")
PERSISTENT = "Persistent"
GROUP_POLICY = "ReadWriteOnceWithFSType"
GROUP_POLICIES = ("File", "None", GROUP_POLICY)
SHORTEST_TOKEN = 600
LONGEST_TOKEN = 1 << 32
LEAST_UPDATE_SECONDS = 10


@kind(storage_v1.CSIDriver, plural="csidrivers", namespaced=False, shows_deleted=True)
class CSIDrivers(Strategy[storage_v1.CSIDriver]):
    """What a CSI driver wants of Kubernetes."""

    unconditional_update = False
    has_generation = True
    columns = [
        Column("AttachRequired", lambda driver: bool(driver.spec.attachRequired), "boolean"),
        Column("PodInfoOnMount", lambda driver: bool(driver.spec.podInfoOnMount), "boolean"),
        Column("StorageCapacity", lambda driver: bool(driver.spec.storageCapacity), "boolean"),
        Column(
            "TokenRequests", lambda driver: ",".join(asked.audience for asked in driver.spec.tokenRequests) or "<unset>"
        ),
        Column("RequiresRepublish", lambda driver: bool(driver.spec.requiresRepublish), "boolean"),
        Column("Modes", lambda driver: ",".join(driver.spec.volumeLifecycleModes) or "<none>"),
        age(),
    ]

    def prepare_create(self, obj: storage_v1.CSIDriver, call: object) -> None:
        """Changes are counted from none."""
        obj.metadata.generation = 0

    def default(self, obj: storage_v1.CSIDriver, old: storage_v1.CSIDriver | None) -> None:
        """Persistent volumes that are attached."""
        spec = obj.spec
        spec.attachRequired = True if spec.attachRequired is None else spec.attachRequired
        for field in ("podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"):
            setattr(spec, field, bool(getattr(spec, field)))
        if spec.fsGroupPolicy is None:
            spec.fsGroupPolicy = GROUP_POLICY
        spec.volumeLifecycleModes = spec.volumeLifecycleModes or [PERSISTENT]

    def validate(self, obj: storage_v1.CSIDriver, old: storage_v1.CSIDriver | None) -> Iterator[FieldError]:
        """Known modes and policies; what volumes depend on stays."""
        spec = obj.spec
        for mode in spec.volumeLifecycleModes:
            if mode not in (PERSISTENT, "Ephemeral"):
                yield not_supported(SPEC.child("volumeLifecycleModes"), mode, (PERSISTENT, "Ephemeral"))
        if spec.fsGroupPolicy not in GROUP_POLICIES:
            yield not_supported(SPEC.child("fsGroupPolicy"), spec.fsGroupPolicy, GROUP_POLICIES)
        yield from _tokens(spec, SPEC.child("tokenRequests"))
        period = spec.nodeAllocatableUpdatePeriodSeconds
        if period is not None and period < LEAST_UPDATE_SECONDS:
            at = SPEC.child("nodeAllocatableUpdatePeriodSeconds")
            yield invalid(at, period, f"must be greater than or equal to {LEAST_UPDATE_SECONDS} seconds")
        if old:
            yield from unchanged(spec, old.spec, "attachRequired", "volumeLifecycleModes", path=SPEC)


def _tokens(spec: storage_v1.CSIDriverSpec, path: Path) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, asked in enumerate(spec.tokenRequests):
        at = path.index(index)
        if asked.audience in seen:
            yield duplicate(at.child("audience"), asked.audience)
        seen.add(asked.audience)
        seconds = asked.expirationSeconds
        if seconds is not None and seconds < SHORTEST_TOKEN:
            yield invalid(at.child("expirationSeconds"), seconds, "may not specify a duration less than 10 minutes")
        if seconds is not None and seconds > LONGEST_TOKEN:
            yield invalid(at.child("expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds")
