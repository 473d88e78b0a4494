"""Reads the options of log, exec, attach and port-forward from query strings."""

from collections.abc import Iterator
from typing import Any

from master.apiserver.options import Query, boolean, integer
from master.registry.streams import Attach, Exec, Logs
from timonel.api import fields, time
from timonel.api.errors import BadRequest, Invalid
from timonel.api.fields import FieldError

MAX_PORTS = 128
"""Of one connection: each has two channels, whose number is a byte."""
LOG_STREAMS = ("All", "Stderr", "Stdout")


def logs(query: Query, pod: str) -> Logs:
    """The options of a log.

    Raises:
        Invalid: they contradict each other or are out of range.
    """
    options = Logs(
        follow=bool(boolean(query, "follow")),
        previous=bool(boolean(query, "previous")),
        timestamps=bool(boolean(query, "timestamps")),
        tail_lines=integer(query, "tailLines"),
        limit_bytes=integer(query, "limitBytes"),
        since_seconds=integer(query, "sinceSeconds"),
        since_time=query.get("sinceTime", ""),
        stream=query.get("stream", ""),
    )
    problems = list(_log_problems(options))
    if problems:
        raise Invalid("PodLogOptions", pod, problems)
    return options


def execution(query: Query) -> Exec:
    """The options of an exec.

    Raises:
        BadRequest: there is no command, or nothing to stream.
    """
    command = tuple(query.getall("command", []))
    if not command:
        raise BadRequest("you must specify at least 1 command for the container")
    return Exec(command, **_streams(query))


def attachment(query: Query) -> Attach:
    """The options of an attach; raises BadRequest when there is nothing to stream."""
    return Attach(**_streams(query))


def as_document(query: Query) -> dict[str, Any]:
    """The options of a stream as admission sees them."""
    document: dict[str, Any] = {name: True for name in ("stdin", "stdout", "stderr", "tty") if boolean(query, name)}
    if query.get("container"):
        document["container"] = query["container"]
    if "command" in query:
        document["command"] = query.getall("command")
    if "ports" in query:
        document["ports"] = ports(query)
    return document


def ports(query: Query) -> list[int]:
    """The ports to forward, in order.

    Raises:
        BadRequest: there is none, there are too many, or one is no port.
    """
    texts = [text for value in query.getall("ports", []) for text in value.split(",")]
    if not texts:
        raise BadRequest('query parameter "ports" is required')
    if len(texts) > MAX_PORTS:
        raise BadRequest(f"at most {MAX_PORTS} ports can be forwarded over one connection, not {len(texts)}")
    for text in texts:
        if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
            raise BadRequest(f"unable to parse {fields.quoted(text)} as a port")
    return [int(text) for text in texts]


def _streams(query: Query) -> dict[str, bool]:
    """A terminal has one output only, so `stderr` goes when there is a `tty`."""
    wanted = {name: bool(boolean(query, name)) for name in ("stdin", "stdout", "stderr", "tty")}
    wanted["stderr"] = wanted["stderr"] and not wanted["tty"]
    if not (wanted["stdin"] or wanted["stdout"] or wanted["stderr"]):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    return wanted


def _log_problems(options: Logs) -> Iterator[FieldError]:
    if options.tail_lines is not None and options.tail_lines < 0:
        yield fields.invalid("tailLines", options.tail_lines, "must be greater than or equal to 0")
    if options.limit_bytes is not None and options.limit_bytes < 1:
        yield fields.invalid("limitBytes", options.limit_bytes, "must be greater than 0")
    if options.since_seconds is not None and options.since_time:
        yield fields.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    elif options.since_seconds is not None and options.since_seconds < 1:
        yield fields.invalid("sinceSeconds", options.since_seconds, "must be greater than 0")
    if options.since_time:
        try:
            time.parse(options.since_time)
        except ValueError as error:
            yield fields.invalid("sinceTime", options.since_time, str(error))
    if options.stream and options.stream not in LOG_STREAMS:
        yield fields.not_supported("stream", options.stream, LOG_STREAMS)
    elif options.stream not in ("", "All") and options.tail_lines is not None:
        yield fields.forbidden("", "`tailLines` and specific `stream` are mutually exclusive for now")
