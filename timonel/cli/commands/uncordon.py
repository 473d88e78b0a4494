"""Let nodes take new pods again."""

from timonel.cli.nodes import cordon_command

command = cordon_command(unschedulable=False, text="Let nodes take new pods again.")
