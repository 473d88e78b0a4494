"""Turns errors into the words that a user reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from timonel.api.errors import StatusError


class CliError(Exception):
    """A command cannot do what it was asked; the text says why and what to do."""


def raise_all(errors: Sequence[Exception]) -> None:
    """Raise the errors that several objects met with, if there are any."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("several objects met with errors", errors)


def explain(error: BaseException) -> str:
    """An error as text for stderr: what went wrong, then one line for each note that was added to it."""
    notes = [f"  {note}" for note in getattr(error, "__notes__", ())]
    return "\n".join([_explain(error), *notes])


def _explain(error: BaseException) -> str:
    from timonel.api.errors import StatusError
    from timonel.discovery import UnknownResource
    from timonel.kubeconfig import KubeconfigError

    match error:
        case CliError() | UnknownResource() | KubeconfigError():
            return f"{_label('error')} {error.args[0]}"
        case StatusError():
            return _refusal(error)
        case ConnectionError():
            return f"{_label('error')} {error}\nIs the cluster up? 'timonel status' tells, 'timonel up' starts one."
    name = type(error).__name__
    text = str(error)
    if type(error).__module__.startswith("timonel."):
        return f"{_label('error')} {text}"
    if isinstance(error, OSError):
        return (
            f"{_label('error')} {error.filename}: {error.strerror}" if error.filename else f"{_label('error')} {text}"
        )
    return f"{_label('internal error')} {name}: {text}\nThis is a fault in timonel; TIMONEL_DEBUG=1 shows where."


def _refusal(error: StatusError) -> str:
    """The server's refusal, in kubectl's words, the causes one a line."""
    causes = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in error.causes]
    match error.reason:
        case "Unauthorized":
            return f"{_label('error')} You must be logged in to the server ({error.message})"
        case "Invalid" if causes and error.kind:
            return _with_causes(f'The {error.kind} "{error.name}" is invalid:', causes)
        case "Conflict" if causes:
            return _with_causes(f"{_label('error')} the server refuses to take fields over from others:", causes)
    where = f"Error from server ({error.reason}):" if error.reason else "Error from server:"
    return f"{click.style(where, fg='red')} {error.message}"


def _with_causes(headline: str, causes: Sequence[str]) -> str:
    """One cause behind the headline, or several below it."""
    return f"{headline} {causes[0]}" if len(causes) == 1 else "\n".join([headline, *(f"* {cause}" for cause in causes)])


def _label(text: str) -> str:
    return click.style(f"{text}:", fg="red")
