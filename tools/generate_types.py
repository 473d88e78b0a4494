"""Writes timonel/api/types/ from the Kubernetes schemas of the dev dependency `kubernetes-validate`.

Run it with `make generate`, or `python -m tools.generate_types [folder]`. Names, types and merge rules are generated;
descriptions are not copied. Which fields are left out when they are zero, or always written, is known from Go's structs
alone: `tools.generate_protobuf`, to be run before, reads that.
"""

from __future__ import annotations

import json
import keyword
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from master.apiserver.protobuf.numbers import NUMBERS

VERSION = "v1.35.0-local"
TARGET = Path(__file__).parent.parent / "timonel" / "api" / "types"

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."

Schema = dict[str, Any]
Names = tuple[str, str, str]
"""A kind's group, version and kind."""

RAW = "msgspec.Raw"
"""JSON that stays as it is written until somebody looks into it."""

SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "Quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "IntOrString",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "Any",
    META + "FieldsV1": RAW,
    META + "Patch": "Any",
    META + "Time": "Time",
    META + "MicroTime": "MicroTime",
    CRD + "JSON": "Any",
    CRD + "JSONSchemaPropsOrArray": "JSONSchemaProps | list[JSONSchemaProps]",
    CRD + "JSONSchemaPropsOrBool": "JSONSchemaProps | bool",
    CRD + "JSONSchemaPropsOrStringArray": "JSONSchemaProps | list[str]",
}
"""Definitions that are not structs, and the Python types that stand for them."""

ZERO = {
    "str": "str",
    "bool": "bool",
    "Int32": "int",
    "Int64": "int",
    "Bytes": "str",
    "IntOrString": "int",
    "Quantity": "Quantity",
}
"""Factories of Go's zero values. Times are missing on purpose: Go's zero time is null."""

ZERO_TEXT = {"str": '""', "Bytes": '""', "bool": "False", "Int32": "0", "Int64": "0"}
"""Defaults of fields that are left out when they are zero."""

IMPORTS = {
    "IntOrString": "timonel.api.intstr",
    "Quantity": "timonel.api.quantity",
    "Bytes": "timonel.api.schema",
    "Int32": "timonel.api.schema",
    "Int64": "timonel.api.schema",
    "Merge": "timonel.api.schema",
    "Time": "timonel.api.time",
    "MicroTime": "timonel.api.time",
    "Struct": "timonel.api.struct",
    "empty_list": "timonel.api.struct",
    "empty_map": "timonel.api.struct",
    "GVK": "timonel.api.gvk",
    "Annotated": "typing",
    "Any": "typing",
    "ClassVar": "typing",
}

SHADOWING = {"bool", "dict", "float", "int", "list", "str"}
"""Field names that would hide a type from the annotations after them."""


@dataclass
class Class:
    """One struct to write."""

    name: str
    gvk: Names | None = None
    required: frozenset[str] = frozenset()
    lines: list[str] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)
    """Classes of the same module that must stand before this one."""


@dataclass
class Module:
    """One group-version's file."""

    name: str
    prefix: str
    classes: dict[str, Class] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)

    def use(self, text: str) -> str:
        """Notes what `text`, an expression to be written, needs imported."""
        self.imports.update(set(re.findall(r"\w+", text)) & set(IMPORTS))
        self.modules.update(re.findall(r"\b(\w+_v\d\w*)\.", text))
        return text


def module_name(definition: str) -> str:
    """io.k8s.api.apps.v1.Deployment -> apps_v1; a package without a version gives its last part."""
    parts = definition.split(".")[:-1]
    return "_".join(parts[-2:]) if parts[-1].startswith("v") and parts[-1][1:2].isdigit() else parts[-1]


def class_name(definition: str) -> str:
    return definition.rpartition(".")[2]


def gvk_of(schema: Schema) -> Names | None:
    """The kind's group, version and kind; those known in every group (DeleteOptions, WatchEvent) count as core."""
    found = [(g["group"], g["version"], g["kind"]) for g in schema.get("x-kubernetes-group-version-kind", [])]
    if "apiVersion" not in schema.get("properties", {}) or not found:
        return None
    return found[0] if len(found) == 1 else next(g for g in found if g[:2] == ("", "v1"))


def gvk_text(gvk: Names) -> str:
    return 'GVK("{}", "{}", "{}")'.format(*gvk)


def python_name(wire: str) -> str:
    name = wire.replace("-", "_").lstrip("$")
    return name + "_" if keyword.iskeyword(name) or name in SHADOWING else name


class Generator:
    """Turns the definitions into modules of classes, and an index of the kinds among them."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.layouts = dict(line.split(" ", 1) for line in NUMBERS.splitlines() if " " in line)
        self.definitions = definitions
        self.modules: dict[str, Module] = {}
        self.index: dict[Names, tuple[str, str]] = {}

    def run(self) -> None:
        for name, schema in sorted(self.definitions.items()):
            if name not in SPECIAL:
                module = self.modules.setdefault(module_name(name), Module(module_name(name), name.rpartition(".")[0]))
                module.classes[class_name(name)] = self.make_class(module, name, schema)

    def make_class(self, module: Module, definition: str, schema: Schema) -> Class:
        made = Class(class_name(definition), gvk_of(schema), frozenset(schema.get("required", ())))
        lines = [f"class {made.name}(Struct, kw_only=True):"]
        if made.gvk:
            self.index[made.gvk] = (module.name, made.name)
            lines.append(f"    gvk: ClassVar[GVK] = {gvk_text(made.gvk)}")
        if made.required:
            names = ", ".join(f'"{name}"' for name in sorted(made.required))
            lines.append(f"    required_fields: ClassVar[frozenset[str]] = frozenset({{{names}}})")
        if schema.get("x-kubernetes-map-type") == "atomic":
            lines.append("    map_atomic: ClassVar[bool] = True")
        lines += [f"    {self.field_text(module, made, *item)}" for item in schema.get("properties", {}).items()]
        made.lines = [module.use(line) for line in lines] if len(lines) > 1 else [module.use(lines[0]), "    pass"]
        return made

    def field_text(self, module: Module, made: Class, wire: str, prop: Schema) -> str:
        """The line of one field: name, annotation and default."""
        kind = self.python_type(module, prop)
        mark = self.marks(f"{module.prefix}.{made.name}").get(wire, "!" if wire in made.required else "")
        zero = ZERO_TEXT.get(kind, "") if mark == "-" else ""
        factory = "" if zero else self.factory(made, wire, prop, kind, always=mark == "!")
        if "." not in kind and factory == kind and self.is_struct(prop):
            made.needs.add(kind)
        annotation = kind if zero or factory or kind in ("Any", RAW) else f"{kind} | None"
        if merge := merge_text(prop):
            annotation = f"Annotated[{annotation}, {merge}]"
        name = python_name(wire)
        default = zero or (f"{RAW}()" if kind == RAW else "None")
        options = [f"default_factory={factory}"] if factory else []
        if name != wire:
            options = [*(options or [f"default={default}"]), f'name="{wire}"']
        return f"{name}: {annotation} = " + (f"msgspec.field({', '.join(options)})" if options else default)

    def marks(self, definition: str) -> dict[str, str]:
        """What Go says of a type's fields, by their wire names: "-" for one that it leaves out when it is zero, "!" for
        one that it always writes. Empty for types of which nothing is known."""
        pairs = [pair.rpartition("=") for pair in self.layouts.get(definition, "").split()]
        own = {name: number.lstrip("0123456789") for name, _, number in pairs if not name.startswith("+")}
        return own | {k: v for name, _, _ in pairs if name.startswith("+") for k, v in self.marks(name[1:]).items()}

    def factory(self, made: Class, wire: str, prop: Schema, kind: str, *, always: bool) -> str:
        """What makes the default of a field that is never None, or "" for one that may be."""
        required = wire in made.required
        if made.gvk and wire in ("apiVersion", "kind"):
            group, version, name = made.gvk
            value = name if wire == "kind" else f"{group}/{version}" if group else version
            return f'lambda: "{value}"'
        if kind.startswith("list["):
            return "empty_list" if required else "list"
        if kind.startswith("dict["):
            return "empty_map" if required else "dict"
        if not always:
            return ""
        return kind if self.is_struct(prop) else ZERO.get(kind, "")

    def is_struct(self, prop: Schema) -> bool:
        return "$ref" in prop and prop["$ref"].rpartition("/")[2] not in SPECIAL

    def python_type(self, module: Module, schema: Schema) -> str:
        if ref := schema.get("$ref"):
            definition = ref.rpartition("/")[2]
            if definition in SPECIAL:
                return SPECIAL[definition]
            there = module_name(definition)
            return class_name(definition) if there == module.name else f"{there}.{class_name(definition)}"
        declared = schema.get("type")
        match next(t for t in declared if t != "null") if isinstance(declared, list) else declared:
            case "array":
                return f"list[{self.python_type(module, schema['items'])}]"
            case "object":
                return f"dict[str, {self.python_type(module, schema['additionalProperties'])}]"
            case "integer":
                return "Int32" if schema["format"] == "int32" else "Int64"
            case "number":
                return "int | float"
            case "boolean":
                return "bool"
            case "string":
                return "Bytes" if schema.get("format") == "byte" else "str"
        raise ValueError(f"no Python type for the schema {schema}")


def merge_text(prop: Schema) -> str:
    """The `Merge(...)` annotation of a field, or "" when its schema has no merge extension."""
    strategy = prop.get("x-kubernetes-patch-strategy")
    arguments = {
        "list_type": prop.get("x-kubernetes-list-type"),
        "map_type": prop.get("x-kubernetes-map-type"),
        "keys": tuple(prop.get("x-kubernetes-list-map-keys", ())),
        "strategy": tuple(strategy.split(",")) if strategy else (),
        "merge_key": prop.get("x-kubernetes-patch-merge-key"),
    }
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items() if value)
    return f"Merge({given})" if given else ""


def ordered(module: Module) -> Iterator[Class]:
    """The classes by name, but each after those that its default factories name."""
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> Iterator[Class]:
        if name in above:
            raise ValueError(f"structs that must always be present form a cycle: {' -> '.join((*above, name))}")
        if name not in done:
            for need in sorted(module.classes[name].needs):
                yield from visit(need, (*above, name))
            done.add(name)
            yield module.classes[name]

    for name in sorted(module.classes):
        yield from visit(name, ())


def module_text(module: Module) -> str:
    imports = defaultdict(list)
    for name in sorted(module.imports):
        imports[IMPORTS[name]].append(name)
    if others := sorted(module.modules - {module.name}):
        imports["timonel.api.types"] = others
    lines = [
        f'"""{module.prefix}. Generated by `make generate`; do not edit."""',
        "from __future__ import annotations",
        *(f"from typing import {', '.join(names)}" for source, names in imports.items() if source == "typing"),
        "import msgspec" if any("msgspec." in line for c in module.classes.values() for line in c.lines) else "",
        *(
            f"from {source} import {', '.join(names)}"
            for source, names in sorted(imports.items())
            if source != "typing"
        ),
        f'SCHEMA_PREFIX = "{module.prefix}"',
    ]
    return "\n".join(lines + [line for made in ordered(module) for line in made.lines]) + "\n"


def index_text(index: dict[Names, tuple[str, str]]) -> str:
    entries = "".join(
        f'    {gvk_text(gvk)}: ("{module}", "{name}"),\n' for gvk, (module, name) in sorted(index.items())
    )
    return (
        '"""Where each kind\'s class is: its module here and its name. Generated by `make generate`; do not edit."""\n'
        "from __future__ import annotations\nfrom timonel.api.gvk import GVK\n"
        f"INDEX: dict[GVK, tuple[str, str]] = {{\n{entries}}}\n"
    )


def definitions() -> dict[str, Schema]:
    """The schemas by name."""
    source = files("kubernetes_validate") / "kubernetes-json-schema" / VERSION / "_definitions.json"
    return dict(json.loads(source.read_text())["$defs"])


def main(target: Path = TARGET) -> None:
    generator = Generator(definitions())
    generator.run()
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.py"):
        if old.name != "__init__.py":
            old.unlink()
    for module in generator.modules.values():
        (target / f"{module.name}.py").write_text(module_text(module))
    (target / "index.py").write_text(index_text(generator.index))
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--config", str(Path(__file__).parent.parent / "pyproject.toml")]
    subprocess.run([*ruff, "check", "--quiet", "--select", "I", "--fix", *config, str(target)], check=True)
    subprocess.run([*ruff, "format", "--quiet", *config, str(target)], check=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
