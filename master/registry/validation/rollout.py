"""Numbers or shares of pods, as rollouts and disruption budgets use them."""

from collections.abc import Iterator

from master.registry.validation.common import not_negative
from timonel.api.fields import FieldError, Path, invalid
from timonel.api.intstr import IntOrString, is_percent

PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)


def share(value: IntOrString, path: Path, *, capped: bool) -> Iterator[FieldError]:
    """A number of pods, or a share of them; ``capped``: of not more than all."""
    if isinstance(value, int):
        yield from not_negative(path, value)
    elif not is_percent(value):
        yield invalid(path, value, PERCENT)
    elif capped and int(value[:-1]) > 100:
        yield invalid(path, value, "must not be greater than 100%")


def is_zero(value: IntOrString | None) -> bool:
    """Whether it is no pods, however written; what is no number is none."""
    return value in (None, 0) or (isinstance(value, str) and (not is_percent(value) or int(value[:-1]) == 0))
