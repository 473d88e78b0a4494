"""Roles."""

from collections.abc import Iterator

from master.registry.columns import Column
from master.registry.strategy import Strategy, kind
from master.registry.validation.rbac import validate_rules
from timonel.api import names
from timonel.api.fields import FieldError
from timonel.api.types import rbac_v1


@kind(rbac_v1.Role, plural="roles")
class Roles(Strategy[rbac_v1.Role]):
    """What may be done in a namespace."""

    create_on_update = True
    columns = [Column("Created At", lambda role: role.metadata.creationTimestamp or "")]
    validate_name = staticmethod(names.path_segment)

    def validate(self, obj: rbac_v1.Role, old: rbac_v1.Role | None) -> Iterator[FieldError]:
        """See `validation.rbac`."""
        yield from validate_rules(obj.rules, namespaced=True)
