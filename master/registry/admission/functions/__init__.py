"""Admission plugins as plain Python functions (`timonel.admission`), found in a folder and behind entry points.

`loading` finds them and follows changes of the folder, `calling` calls one within its deadline, `plugin` asks all.
"""

from master.registry.admission.functions.plugin import Functions

__all__ = ["Functions"]
