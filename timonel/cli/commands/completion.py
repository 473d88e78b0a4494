"""Print what makes a shell complete timonel's commands, kinds and names."""

from __future__ import annotations

import click

LINES = {
    "bash": "source <(timonel completion bash)                in ~/.bashrc",
    "zsh": "source <(timonel completion zsh)                 in ~/.zshrc",
    "fish": "timonel completion fish | source                 in ~/.config/fish/config.fish",
}


@click.command(epilog="\b\n" + "\n".join(LINES.values()))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a shell's completion script; a line in the shell's start file makes it last."""
    from click.shell_completion import get_completion_class

    from timonel.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(cli, {}, "timonel", "_TIMONEL_COMPLETE").source())
