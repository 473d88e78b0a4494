"""The commands: a module here is a command of its name, with `command: click.Command`; its first line is its help."""
