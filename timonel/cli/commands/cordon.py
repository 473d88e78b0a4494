"""Keep new pods off nodes."""

from timonel.cli.nodes import cordon_command

command = cordon_command(unschedulable=True, text="Keep new pods off nodes.")
