"""A port given by number or by the name that the container gives it."""

from timonel.api.types import core_v1


class PortUnknown(LookupError):
    """The container has no port of that name, or the number is none."""


def port_number(port: int | str, container: core_v1.Container) -> int:
    """The number. Raises PortUnknown."""
    if isinstance(port, str) and not port.isdigit():
        number = next((p.containerPort for p in container.ports if p.name == port), 0)
    else:
        number = int(port)
    if not 0 < number < 65536:
        raise PortUnknown(f"couldn't find port {port!r} in container {container.name}")
    return number
