"""What the kinds of storage.k8s.io have in common (Kubernetes' apis/storage/validation)."""

from collections.abc import Iterator, Mapping

from timonel.api import names
from timonel.api.fields import FieldError, Path, invalid, required, too_long
from timonel.api.meta import HasMetadata

MOST_PARAMETERS = 512
LARGEST_PARAMETERS = 256 * 1024
LONGEST_DRIVER = 63


def default_mark(obj: HasMetadata, annotation: str) -> str:
    """The name as tables show it: the default class says so."""
    name = obj.metadata.name or ""
    return f"{name} (default)" if obj.metadata.annotations.get(annotation) == "true" else name


def validate_parameters(parameters: Mapping[str, str], path: Path, *, needed: bool = False) -> Iterator[FieldError]:
    """Keys are not empty, and all together not too much."""
    if needed and not parameters:
        yield required(path, "must contain at least one key/value pair")
    if len(parameters) > MOST_PARAMETERS:
        yield too_long(path, MOST_PARAMETERS)
    if "" in parameters:
        yield invalid(path, "", "field can not be empty.")
    if sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items()) > LARGEST_PARAMETERS:
        yield too_long(path, LARGEST_PARAMETERS)


def is_driver(path: Path, name: str) -> Iterator[FieldError]:
    """The text is the name of a CSI driver."""
    if not name:
        yield required(path)
        return
    if len(name) > LONGEST_DRIVER:
        yield too_long(path, LONGEST_DRIVER)
    for fault in names.subdomain(name.lower()):
        yield invalid(path, name, fault)
