"""Run a command in a container."""

from __future__ import annotations

import sys

import click

from timonel.cli import completion, pods
from timonel.cli.context import ApiCommand, Session, connected
from timonel.cli.errors import CliError


@click.command(cls=ApiCommand)
@click.argument("pod", shell_complete=completion.names_of("pods"))
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND [ARGS]...")
@click.option("-i", "--stdin", is_flag=True, help="Pass stdin on.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
@click.option("-c", "--container", default="", metavar="NAME", help="In this container.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but what the command does.")
@connected
async def command(
    session: Session, pod: str, words: tuple[str, ...], *, stdin: bool, tty: bool, container: str, quiet: bool
) -> None:
    """Run a command in a container; its exit code becomes ours.

    \b
    timonel exec web-1 -- ls /srv
    timonel exec -it deploy/web -- sh
    """
    from timonel.cli.terminal import couple

    if not words:
        raise CliError("say which command: timonel exec POD -- COMMAND")
    found = (await pods.find(session, [pod]))[0]
    if not container:
        container, remark = pods.default_container(found)
        if remark and not quiet:
            click.echo(remark, err=True)
    if tty and not sys.stdin.isatty():
        click.echo("Unable to use a TTY - input is not a terminal or the right kind of file", err=True)
        tty = False
    meta = found["metadata"]
    remote = await session.client.execute(
        meta["namespace"], meta["name"], list(words), container=container, stdin=stdin, tty=tty
    )
    code = await couple(remote, stdin=stdin, tty=tty)
    if code:
        if not quiet:
            click.echo(f"command terminated with exit code {code}", err=True)
        raise click.exceptions.Exit(code)
