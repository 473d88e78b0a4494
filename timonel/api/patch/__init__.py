"""The ways to change a JSON object by a patch: JSON patch, JSON merge patch, strategic merge patch.

All work on plain decoded JSON and leave their inputs as they are; a result may share unchanged parts with them.
"""

from timonel.api.patch.failure import PatchFailed
from timonel.api.patch.json_patch import json_patch
from timonel.api.patch.merge_patch import merge_patch
from timonel.api.patch.strategic import strategic_merge_patch

__all__ = ["PatchFailed", "json_patch", "merge_patch", "strategic_merge_patch"]
