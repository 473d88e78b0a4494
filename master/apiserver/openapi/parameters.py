"""The parameters of the API's operations, as OpenAPI lists them."""

from dataclasses import dataclass

STRING, INTEGER, BOOLEAN = "string", "integer", "boolean"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation."""

    name: str
    type: str
    description: str
    where: str = "query"


NAME = Parameter("name", STRING, "The object's name.", "path")
PATH = Parameter("path", STRING, "The path of the request to be passed on.", "path")
NAMESPACE = Parameter("namespace", STRING, "The namespace of the objects.", "path")
PRETTY = Parameter("pretty", STRING, "If 'true', the answer is indented.")

DRY_RUN = Parameter("dryRun", STRING, "'All' processes the request in full but stores nothing.")
FIELD_MANAGER = Parameter(
    "fieldManager", STRING, "The name under which the written fields are owned, at most 128 characters."
)
FIELD_VALIDATION = Parameter(
    "fieldValidation", STRING, "What unknown and duplicate fields lead to: Ignore, Warn (the default) or Strict."
)
FORCE = Parameter("force", BOOLEAN, "For apply only: take over fields that other managers own.")

LISTING: tuple[Parameter, ...] = (
    Parameter("allowWatchBookmarks", BOOLEAN, "Whether a watch gets BOOKMARK events."),
    Parameter("continue", STRING, "The token of a former page; the answer is the next one."),
    Parameter("fieldSelector", STRING, "Restricts the objects by their fields."),
    Parameter("labelSelector", STRING, "Restricts the objects by their labels."),
    Parameter(
        "limit", INTEGER, "The greatest number of objects in the answer; more are reached by its continue token."
    ),
    Parameter(
        "resourceVersion", STRING, "The version of the data that the answer shows, as resourceVersionMatch says."
    ),
    Parameter("resourceVersionMatch", STRING, "How resourceVersion is applied: Exact or NotOlderThan."),
    Parameter("sendInitialEvents", BOOLEAN, "Whether a watch begins with the objects that exist."),
    Parameter("timeoutSeconds", INTEGER, "Seconds after which the server ends the call."),
    Parameter("watch", BOOLEAN, "Answer with a stream of changes in place of a list."),
)
_OF_WATCHES = ("allowWatchBookmarks", "sendInitialEvents", "watch")
LISTING_ONLY = tuple(each for each in LISTING if each.name not in _OF_WATCHES)
DELETING: tuple[Parameter, ...] = (
    DRY_RUN,
    Parameter("gracePeriodSeconds", INTEGER, "Seconds before the object goes; 0 is at once."),
    Parameter("orphanDependents", BOOLEAN, "Deprecated: use propagationPolicy."),
    Parameter("propagationPolicy", STRING, "What becomes of dependents: Orphan, Background or Foreground."),
)
WRITING: tuple[Parameter, ...] = (DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION)
PATCHING: tuple[Parameter, ...] = (*WRITING, FORCE)

COMMAND = Parameter("command", STRING, "The command, one argument each.")
CONTAINER = Parameter("container", STRING, "The container; the only one when there is one.")
_STREAMS = tuple(
    Parameter(name, BOOLEAN, f"Whether {name} is streamed.") for name in ("stdin", "stdout", "stderr", "tty")
)
CONNECTING: dict[str, tuple[Parameter, ...]] = {
    "exec": (COMMAND, CONTAINER, *_STREAMS),
    "attach": (CONTAINER, *_STREAMS),
    "proxy": (Parameter("path", STRING, "The path of the request to be passed on, with its query."),),
    "portforward": (Parameter("ports", INTEGER, "The ports to forward."),),
    "log": (
        CONTAINER,
        Parameter("follow", BOOLEAN, "Go on as the container writes."),
        Parameter("limitBytes", INTEGER, "The greatest number of bytes."),
        Parameter("previous", BOOLEAN, "The log of the container's previous run."),
        Parameter("sinceSeconds", INTEGER, "Only what is at most this old."),
        Parameter("sinceTime", STRING, "Only what was written from this time on."),
        Parameter("stream", STRING, "All, Stdout or Stderr."),
        Parameter("tailLines", INTEGER, "Only the last lines."),
        Parameter("timestamps", BOOLEAN, "Begin each line with its time."),
    ),
}
