"""Reads the options of verbs from query strings and DeleteOptions bodies, as strictly as Kubernetes does."""

from collections.abc import Iterator

from multidict import MultiMapping

from master.registry.base import DeleteOptions, ListOptions, Preconditions, WriteOptions
from timonel.api import fields
from timonel.api.errors import BadRequest, Invalid
from timonel.api.fields import FieldError
from timonel.api.types import meta_v1

Query = MultiMapping[str]

MAX_FIELD_MANAGER = 128
FIELD_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
PROPAGATIONS = ("Foreground", "Background", "Orphan")


def boolean(query: Query, name: str) -> bool | None:
    """A boolean option: absent is None; `false` and `0` are false, everything else, the bare word included, is true."""
    value = query.get(name)
    return None if value is None else value.lower() not in ("false", "0")


def integer(query: Query, name: str) -> int | None:
    """A whole number; absent or empty is None.

    Raises:
        BadRequest: it is none, in the words of Go's parser.
    """
    value = query.get(name)
    if not value:
        return None
    try:
        number = int(value) if value.isascii() and "_" not in value and value.strip() == value else None
    except ValueError:
        number = None
    if number is None:
        raise BadRequest(f"strconv.ParseInt: parsing {fields.quoted(value)}: invalid syntax")
    if not -(2**63) <= number < 2**63:
        raise BadRequest(f"strconv.ParseInt: parsing {fields.quoted(value)}: value out of range")
    return number


def list_options(query: Query) -> ListOptions:
    """The options of list, watch and deletecollection."""
    timeout = integer(query, "timeoutSeconds")
    return ListOptions(
        label_selector=query.get("labelSelector", ""),
        field_selector=query.get("fieldSelector", ""),
        limit=max(0, integer(query, "limit") or 0),
        continue_token=query.get("continue", ""),
        resource_version=query.get("resourceVersion"),
        resource_version_match=query.get("resourceVersionMatch", ""),
        allow_bookmarks=bool(boolean(query, "allowWatchBookmarks")),
        send_initial_events=boolean(query, "sendInitialEvents"),
        timeout_seconds=None if timeout is None else float(timeout),
    )


def write_options(query: Query, kind: str, *, apply: bool = False, default_manager: str = "") -> WriteOptions:
    """The options of create, update, patch and apply.

    Args:
        query: the request's query.
        kind: the options' kind for messages: CreateOptions, UpdateOptions or PatchOptions.
        apply: whether this is a server-side apply.
        default_manager: the field manager of a request that names none; not used for apply, which must name one.

    Raises:
        Invalid: an option has a value that it cannot have.
    """
    manager = query.get("fieldManager", "")
    validation = query.get("fieldValidation", "")
    force = boolean(query, "force")
    problems = list(_dry_run_problems(query))
    if apply and not manager:
        problems.append(fields.required("fieldManager", "is required for apply patch"))
    if force is not None and not apply and kind == "PatchOptions":
        problems.append(fields.forbidden("force", "may not be specified for non-apply patch"))
    problems.extend(_manager_problems(manager))
    if validation not in FIELD_VALIDATIONS:
        problems.append(fields.not_supported("fieldValidation", validation, FIELD_VALIDATIONS))
    _refuse(kind, problems)
    return WriteOptions(
        dry_run="dryRun" in query,
        field_manager=manager or default_manager,
        field_validation=validation or "Warn",
        force=bool(force),
    )


def delete_options(query: Query, body: meta_v1.DeleteOptions | None) -> DeleteOptions:
    """The options of a delete: the body's when there is one, else the query's."""
    problems: list[FieldError] = []
    if body is None:
        problems.extend(_dry_run_problems(query))
        orphan, propagation = boolean(query, "orphanDependents"), query.get("propagationPolicy")
        result = DeleteOptions(dry_run="dryRun" in query, grace_seconds=integer(query, "gracePeriodSeconds"))
    else:
        orphan, propagation = body.orphanDependents, body.propagationPolicy
        problems.extend(_dry_run_value_problems(body.dryRun))
        result = _from_body(body)
    if orphan is not None and propagation is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        problems.append(fields.invalid("propagationPolicy", propagation, text))
    if propagation is not None and propagation not in PROPAGATIONS:
        problems.append(fields.not_supported("propagationPolicy", propagation, (*PROPAGATIONS, "nil")))
    if result.grace_seconds is not None and result.grace_seconds < 0:
        problems.append(
            fields.invalid("gracePeriodSeconds", result.grace_seconds, "must be greater than or equal to 0")
        )
    _refuse("DeleteOptions", problems)
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    return DeleteOptions(result.dry_run, result.grace_seconds, propagation, result.preconditions)


def default_field_manager(user_agent: str) -> str:
    """The manager of a client that names none: what its User-Agent begins with, as Kubernetes has it."""
    printable = "".join(letter for letter in user_agent.partition("/")[0] if letter.isprintable())
    return printable[:MAX_FIELD_MANAGER] or "unknown"


def _from_body(body: meta_v1.DeleteOptions) -> DeleteOptions:
    preconditions = body.preconditions or meta_v1.Preconditions()
    return DeleteOptions(
        dry_run=bool(body.dryRun),
        grace_seconds=body.gracePeriodSeconds,
        preconditions=Preconditions(preconditions.uid or "", preconditions.resourceVersion or ""),
    )


def _dry_run_problems(query: Query) -> Iterator[FieldError]:
    return _dry_run_value_problems(query.getall("dryRun", []))


def _dry_run_value_problems(values: list[str]) -> Iterator[FieldError]:
    if any(value != "All" for value in values):
        yield fields.not_supported("dryRun", values, ("All",))


def _manager_problems(manager: str) -> Iterator[FieldError]:
    if len(manager.encode()) > MAX_FIELD_MANAGER:
        yield fields.too_long("fieldManager", MAX_FIELD_MANAGER)
    if not manager.isprintable():
        yield fields.invalid("fieldManager", manager, "should only contain printable characters")


def _refuse(kind: str, problems: list[FieldError]) -> None:
    if problems:
        raise Invalid(f"{kind}.meta.k8s.io", "", problems)
