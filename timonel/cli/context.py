"""What commands share: the options that say which cluster is meant, and the connection to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timonel.cli.errors import CliError

if TYPE_CHECKING:
    from timonel.client import Client
    from timonel.kubeconfig import Access


@dataclass(slots=True)
class Settings:
    """Which cluster is meant and how to talk to it, as far as the user said. Empty is unsaid."""

    kubeconfig: Path | None = None
    context: str = ""
    namespace: str = ""
    request_timeout: float | None = None
    """Seconds that one call may take."""
    verbose: int = 0

    def access(self) -> Access:
        """The access to the cluster: of --kubeconfig, $KUBECONFIG, the local cluster, or ~/.kube/config, in this order.

        Raises:
            KubeconfigError: the kubeconfig cannot be used.
        """
        from timonel import kubeconfig

        return kubeconfig.load(self.kubeconfig or _local_kubeconfig(), self.context)


@dataclass(frozen=True, slots=True)
class Session:
    """A connection to the cluster that is meant."""

    client: Client
    namespace: str
    """The namespace in which commands act."""
    settings: Settings


def _local_kubeconfig() -> Path | None:
    """The kubeconfig of the local cluster, where the environment names no other."""
    import os

    if os.environ.get("KUBECONFIG"):
        return None
    from timonel.cli.local.layout import default_kubeconfig

    return default_kubeconfig()


class Duration(click.ParamType[float]):
    """A time span as Go writes it: `30s`, `5m`, `1h30m`; a bare number is seconds. Becomes seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The span in seconds."""
        if isinstance(value, int | float):
            return float(value)
        from timonel.api.time import seconds

        text = str(value)
        with suppress(ValueError):
            return float(text)
        days, _, rest = text.rpartition("d")
        try:
            return float(days or 0) * 86400 + seconds(rest or "0")
        except ValueError:
            self.fail(f"{text!r} is no time span such as 30s, 5m or 1h30m", param, ctx)


def remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep an option in the settings, whether it stands before the command or behind it."""
    settings = ctx.ensure_object(Settings)
    if value and param.name:
        setattr(settings, param.name, value)


def connection_options() -> list[click.Option]:
    """The options of every command that talks to a cluster."""
    common: dict[str, Any] = {"expose_value": False, "callback": remember}
    return [
        click.Option(["-n", "--namespace"], metavar="NAME", help="The namespace to act in.", **common),
        click.Option(["--context"], metavar="NAME", help="The kubeconfig's context to use.", **common),
        click.Option(
            ["--kubeconfig"], type=click.Path(path_type=Path, dir_okay=False), help="The kubeconfig to use.", **common
        ),
        click.Option(["--request-timeout"], type=Duration(), help="How long one call may take.", **common),
        click.Option(["-v", "--verbose"], count=True, help="Say what is asked of the server.", **common),
    ]


class ApiCommand(click.Command):
    """A command that takes the connection options."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.extend(connection_options())


def connected(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a command of a coroutine function whose first argument is the session."""

    def command(**arguments: Any) -> None:
        settings = click.get_current_context().ensure_object(Settings)
        asyncio.run(_with_session(settings, function, arguments))

    return update_wrapper(command, function)


async def _with_session(
    settings: Settings, function: Callable[..., Coroutine[Any, Any, None]], arguments: dict[str, Any]
) -> None:
    from timonel.client import READ_SECONDS, Client

    if settings.verbose:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("timonel").setLevel(logging.DEBUG)
    access = settings.access()
    async with Client(access, on_warning=warn, seconds=settings.request_timeout or READ_SECONDS) as client:
        await function(Session(client, settings.namespace or access.namespace, settings), **arguments)


def tell_none(what: str, namespace: str) -> None:
    """Tell on stderr that there is nothing, in the words of kubectl."""
    click.echo(f"No {what} found{f' in {namespace} namespace.' if namespace else ''}", err=True)


def warn(text: str) -> None:
    """Tell a warning on stderr."""
    click.echo(f"{click.style('Warning:', fg='yellow')} {text}", err=True)


async def deadline(seconds: float | None, what: Coroutine[Any, Any, None], late: str) -> None:
    """Await `what`, at most so long; no time at all, or None, is no bound.

    Raises:
        CliError: the time is over; `late` says what was waited for.
    """
    try:
        async with asyncio.timeout(seconds or None):
            await what
    except TimeoutError:
        raise CliError(late) from None
