"""Show what containers write, of several pods at once if wanted."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import click

from timonel.api import time
from timonel.api.errors import StatusError
from timonel.cli import completion, options, pods
from timonel.cli.context import ApiCommand, Duration, Session, connected
from timonel.cli.errors import CliError, raise_all

COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")
TAIL_OF_MANY = 10
"""Lines of each log from the end where pods are selected by labels, as in kubectl."""
MOST = 50
"""Logs that are read at once."""

Write = Callable[[bytes], None]


@click.command(cls=ApiCommand)
@click.argument("what", nargs=-1, shell_complete=completion.names_of("pods"))
@options.selector
@click.option("-f", "--follow", is_flag=True, help="Go on as the containers write.")
@click.option("-p", "--previous", is_flag=True, help="Of the containers before their last restart.")
@click.option("-c", "--container", default="", metavar="NAME", help="Of this container.")
@click.option("--all-containers", is_flag=True, help="Of all containers of each pod.")
@click.option("--tail", type=int, default=None, metavar="LINES", help="Only so many lines from the end; -1: all.")
@click.option("--since", type=Duration(), help="Only what is not older: 5m, 1h.")
@click.option("--since-time", metavar="TIME", help="Only what is not older, as RFC 3339.")
@click.option("--limit-bytes", type=click.IntRange(1), help="Only so many bytes.")
@click.option("--timestamps", is_flag=True, help="Put the time before each line.")
@click.option("--prefix/--no-prefix", default=None, help="Put the source before each line, or not.")
@connected
async def command(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Show the logs of pods.

    \b
    timonel logs web-1              a pod
    timonel logs -f deploy/web      all pods of a Deployment, as they write
    timonel logs -l app=web -c http one container of each pod with the label
    """
    found = await pods.find(session, what, chosen["selector"])
    remarks: set[str] = set()
    wanted = [(pod, name) for pod in found for name in _containers(pod, chosen, remarks)]
    for remark in filter(None, remarks):
        click.echo(remark, err=True)
    if len(wanted) > MOST:
        raise CliError(f"these are {len(wanted)} logs; at most {MOST} are read at once: select fewer pods")
    several = len(wanted) > 1 if chosen["prefix"] is None else chosen["prefix"]
    refused: list[Exception] = []
    asked = _query(chosen)

    async def show(pod: dict[str, Any], container: str) -> None:
        name = pod["metadata"]["name"]
        write: Write = prefixed(name, container) if several else _write
        pieces = session.client.logs(pod["metadata"]["namespace"], name, container=container, **asked)
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    write(piece)
        except StatusError as error:
            refused.append(error)
        finally:
            write(b"")

    async with asyncio.TaskGroup() as group:
        for pod, container in wanted:
            group.create_task(show(pod, container))
    raise_all(refused)


def _containers(pod: dict[str, Any], chosen: dict[str, Any], remarks: set[str]) -> list[str]:
    if chosen["all_containers"]:
        return pods.containers(pod)
    if chosen["container"]:
        return [chosen["container"]]
    name, remark = pods.default_container(pod)
    remarks.add(remark)
    return [name]


def _query(chosen: dict[str, Any]) -> dict[str, str | bool | int]:
    """The API's options."""
    if chosen["since"] and chosen["since_time"]:
        raise CliError("at most one of --since and --since-time can be said")
    tail = chosen["tail"]
    if tail is None and chosen["selector"]:
        tail = TAIL_OF_MANY
    query: dict[str, str | bool | int] = {name: True for name in ("follow", "previous", "timestamps") if chosen[name]}
    if tail is not None and tail >= 0:
        query["tailLines"] = tail
    if chosen["since"]:
        query["sinceSeconds"] = max(1, round(chosen["since"]))
    if chosen["since_time"]:
        query["sinceTime"] = _checked_time(chosen["since_time"])
    if chosen["limit_bytes"]:
        query["limitBytes"] = chosen["limit_bytes"]
    return query


def _checked_time(text: str) -> str:
    try:
        time.parse(text)
    except ValueError as error:
        raise CliError(f"--since-time: {error}") from None
    return text


def _write(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def prefixed(pod: str, container: str) -> Write:
    """Writes whole lines, each behind the name of its source in the source's colour; b"" ends the last line."""
    digest = hashlib.sha256(f"{pod}/{container}".encode()).digest()
    prefix = click.style(f"[pod/{pod}/{container}]", fg=COLOURS[digest[0] % len(COLOURS)])
    rest = b""

    def write(piece: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + piece).split(b"\n")
        if not piece and rest:
            lines, rest = [rest], b""
        for line in lines:
            click.echo(f"{prefix} {line.decode(errors='replace')}")

    return write
