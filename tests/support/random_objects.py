"""Random objects of the built-in kinds, the same for the same seed."""

import random
import string
from typing import Any

from timonel.api import scheme
from timonel.api.gvk import GVK
from timonel.api.quantity import Quantity
from timonel.api.schema import Schema, Shape, fields_of
from timonel.api.struct import Struct

KINDS = [gvk for gvk in scheme.kinds() if gvk.kind != "WatchEvent"]
DEEPEST = 7


def made(gvk: GVK, seed: int) -> dict[str, Any]:
    """A random object of a kind."""
    struct = scheme.lookup(gvk)
    assert struct is not None
    return {"kind": gvk.kind, "apiVersion": gvk.api_version, **Maker(seed).struct(struct)}


class Maker:
    """Makes random objects: any field may be there, zeros too where they mean something."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def struct(self, struct: type[Struct], depth: int = 0) -> dict[str, Any]:
        likely = 0.9 if depth < 2 else 0.5
        return {
            name: self.value(field.schema, depth + 1)
            for name, field in fields_of(struct).items()
            if depth < DEEPEST and name not in ("apiVersion", "kind") and self.random.random() < likely
        }

    def value(self, schema: Schema, depth: int) -> Any:
        match schema.shape:
            case Shape.STRUCT:
                return self.struct(schema.type, depth)
            case Shape.LIST if schema.items:
                return [self.value(schema.items, depth) for _ in range(self.random.randint(1, 2))]
            case Shape.MAP if schema.items:
                return {self.text(): self.value(schema.items, depth) for _ in range(self.random.randint(1, 2))}
            case Shape.INT_OR_STRING:
                return self.random.choice([0, -1, 8080, "", "50%"])
            case Shape.UNION:
                return self.union(schema, depth)
            case Shape.SCALAR:
                return self.scalar(schema)
        return self.random.choice([{"a": [1, None, {"b": "ü"}]}, "x", 7, [], {}])

    def union(self, schema: Schema, depth: int) -> Any:
        """No object near the bottom: in a union it may not be empty without becoming something else."""
        choices = [c for c in schema.choices if c.shape is not Shape.STRUCT or depth < DEEPEST - 1]
        choice = self.random.choice(choices)
        return (
            [self.struct(choice.items.type, depth)]
            if choice.items and choice.items.shape is Shape.STRUCT
            else (self.value(choice, depth))
        )

    def scalar(self, schema: Schema) -> Any:
        if schema.format == "date-time":
            return self.random.choice(["1969-12-31T23:59:59Z", "2026-01-02T03:04:05Z", "9999-12-31T23:59:59Z"])
        if schema.format == "micro-time":
            return f"2026-01-02T03:04:05.{self.random.randrange(10**6):06}Z"
        if schema.format == "byte":
            return self.random.choice(["eA==", "//79", "aGVsbG8gd29ybGQ="])
        if schema.type is Quantity:
            return self.random.choice(["500m", "1Gi", "0", "-3"])
        if schema.type is bool:
            return True
        if schema.type is float:
            return self.random.choice([1, -3, 2.5])
        if schema.type is int:
            largest = 2**31 if schema.format == "int32" else 2**63
            return self.random.choice([1, -1, 127, 128, 300, largest - 1, -largest])
        return self.text()

    def text(self) -> str:
        return "".join(self.random.choices(string.ascii_letters + "ü漢\n", k=self.random.choice([1, 7, 130])))
