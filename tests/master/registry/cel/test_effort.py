"""How many rounds expressions take at worst."""

import pytest

from master.registry.cel.declared import declared
from master.registry.cel.effort import REQUEST_BYTES
from master.registry.cel.environment import Environment
from master.registry.custom.schema import compiled

TEXT = {"type": "string"}
SCHEMA = compiled(
    {
        "type": "object",
        "properties": {
            "free": {"type": "array", "items": TEXT},
            "ten": {"type": "array", "items": TEXT, "maxItems": 10},
            "table": {"type": "object", "additionalProperties": TEXT, "maxProperties": 7},
            "rows": {
                "type": "array",
                "maxItems": 4,
                "items": {"type": "object", "properties": {"cells": {"type": "array", "items": TEXT, "maxItems": 5}}},
            },
        },
    }
)
UNBOUND = REQUEST_BYTES // 3


@pytest.mark.parametrize(
    ("expression", "rounds"),
    [
        ("size(self.free) > 0", 0),
        ("self.free.all(a, a != '')", UNBOUND),
        ("self.free.all(a, self.free.all(b, a <= b))", UNBOUND**2),
        ("self.ten.all(a, self.ten.exists(b, a == b)) && self.ten.all(a, a != '')", 110),
        ("self.table.all(k, self.table[k] != '')", 7),
        ("self.rows.all(row, row.cells.all(cell, cell != ''))", 20),
        ("self.ten.filter(a, a != '').map(a, a + 'x').size() > 0", 20),
        ("[1, 2, 3].all(a, a > 0)", 3),
    ],
)
def test_rounds(expression: str, rounds: int) -> None:
    types = declared(SCHEMA, is_object=False)
    assert Environment({"self": types}).compile(expression).rounds({"self": SCHEMA}) == rounds
