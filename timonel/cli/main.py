"""The `timonel` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from timonel.cli.context import connection_options
from timonel.cli.lazy import LazyGroup

FAILED, USAGE, INTERRUPTED = 1, 2, 130

cli = LazyGroup(
    package="timonel.cli.commands",
    name="timonel",
    help="The Kubernetes API for Docker hosts.",
    params=[*connection_options()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    no_args_is_help=True,
)


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Returns:
        The exit code: 0, 1 when it failed, 2 when it was misused, 130 when it was interrupted, or the command's own.
    """
    try:
        code = cli.main(args=list(arguments), prog_name="timonel", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:  # the last resort: users get words, never a traceback
        if os.environ.get("TIMONEL_DEBUG"):
            raise
        return _fail(error)


def _fail(error: Exception) -> int:
    from timonel.cli.errors import explain

    errors = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
    for each in errors:
        click.echo(explain(each), err=True)
    return FAILED
