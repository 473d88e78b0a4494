"""Tables and the forms of -o, without a server."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from timonel.cli.commands import logs
from timonel.cli.describe.generic import words
from timonel.cli.describe.page import aligned
from timonel.cli.errors import CliError
from timonel.cli.eventlines import happening
from timonel.cli.output import table
from timonel.cli.output.forms import Form, form
from timonel.cli.output.objects import Printer, json_text, without_managed_fields, yaml_text
from timonel.cli.output.order import natural
from timonel.cli.output.table import Aligner, TableOptions, align, cell_text

COLUMNS = [{"name": "Name"}, {"name": "Ready"}, {"name": "Node", "priority": 1}]
ROW = {
    "cells": ["web", "1/1", "n1"],
    "object": {"metadata": {"name": "web", "namespace": "default", "labels": {"tier": "front", "app": "web"}}},
}


def test_columns_are_as_wide_as_their_widest_cell_and_three() -> None:
    assert align([["NAME", "AGE"], ["a-long-name", "5s"]]) == "NAME          AGE\na-long-name   5s"


def test_a_watch_keeps_to_the_widths_that_it_began_with() -> None:
    aligner = Aligner()
    aligner.lines([["NAME", "AGE"], ["a-long-name", "5s"]])
    assert aligner.lines([["b", "6s"]]) == ["b             6s"]


@pytest.mark.parametrize(
    ("cell", "text"), [(None, "<none>"), (True, "true"), (3, "3"), ("one\ntwo", "one..."), ("", ""), ("a", "a")]
)
def test_a_cell_is_one_line_of_text(cell: object, text: str) -> None:
    assert cell_text(cell) == text


@pytest.mark.parametrize(
    ("options", "head", "row"),
    [
        (TableOptions(), ["NAME", "READY"], ["web", "1/1"]),
        (TableOptions(wide=True), ["NAME", "READY", "NODE"], ["web", "1/1", "n1"]),
        (TableOptions(namespace=True), ["NAMESPACE", "NAME", "READY"], ["default", "web", "1/1"]),
        (TableOptions(labels=True), ["NAME", "READY", "LABELS"], ["web", "1/1", "app=web,tier=front"]),
        (TableOptions(label_columns=("x/tier", "app")), ["NAME", "READY", "TIER", "APP"], ["web", "1/1", "", "web"]),
        (TableOptions(kind="pod"), ["NAME", "READY"], ["pod/web", "1/1"]),
    ],
)
def test_a_table_shows_what_is_asked_for(options: TableOptions, head: list[str], row: list[str]) -> None:
    assert table.header(options, COLUMNS) == head
    assert table.rows_of({"rows": [ROW]}, options, COLUMNS) == [row]


OBJECT = {
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {"b": "2", "a": "y"}, "managedFields": [{}]},
    "spec": {"text": "one\ntwo\n", "off": False, "word": "yes", "empty": "", "list": [1, 2], "none": None},
}
YAML = """kind: Pod
metadata:
  name: p
  labels:
    b: "2"
    a: "y"
spec:
  text: |
    one
    two
  "off": false
  word: "yes"
  empty: ""
  list:
  - 1
  - 2
  none: null
"""


def test_yaml_keeps_the_order_of_keys_and_quotes_as_kubectl_does() -> None:
    assert yaml_text(without_managed_fields(OBJECT)) == YAML


def test_json_is_indented_by_four() -> None:
    assert json_text({"a": ["ä"]}) == '{\n    "a": [\n        "ä"\n    ]\n}\n'


@pytest.mark.parametrize(
    ("output", "printed"),
    [
        ("name", "pod/p\npod/q\n"),
        ("jsonpath={.items[*].name}", "p q"),
        ("jsonpath-as-json={.items[*].name}{.nope}", '[\n    "p",\n    "q"\n]\n[]\n'),
        ("template={{range .items}}{{.name}};{{end}}", "p;q;"),
        (
            "custom-columns=NAME:.name,X:.labels,NO:.nope",
            "NAME   X          NO\np      map[a:1]   <none>\nq      <none>     <none>\n",
        ),
    ],
)
def test_forms_of_several_objects(output: str, printed: str) -> None:
    objects = [{"name": "p", "labels": {"a": 1}}, {"name": "q"}]
    assert Printer(form(output), lambda obj: f"pod/{obj['name']}").many(objects) == printed


def test_templates_come_from_files_and_from_their_own_option(tmp_path: Path) -> None:
    (tmp_path / "columns").write_text("NAME  X\n.name .a.b\n")
    (tmp_path / "go").write_text("{{.kind}}")
    assert form(f"custom-columns-file={tmp_path}/columns") == Form("custom-columns", "NAME:.name,X:.a.b")
    assert form("go-template-file", f"{tmp_path}/go") == Form("go-template", "{{.kind}}")
    assert form("", "{{.kind}}") == form("go-template={{.kind}}") == Form("go-template", "{{.kind}}")
    assert form("jsonpath", "{.kind}") == Form("jsonpath", "{.kind}")
    assert form("yaml", "{{.kind}}") == Form("yaml")
    with pytest.raises(CliError, match="as many paths"):
        form(f"custom-columns-file={tmp_path}/go")


def test_several_objects_are_a_list_in_yaml_and_further_ones_further_documents() -> None:
    printer = Printer(form("yaml"), lambda obj: "")
    first = printer.many([{"a": 1}])
    assert first == 'apiVersion: v1\nitems:\n- a: 1\nkind: List\nmetadata:\n  resourceVersion: ""\n'
    assert printer.one({"a": 2}) == "---\na: 2\n"


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("yml", "unable to match a printer"),
        ("jsonpath", "no template given"),
        ("go-template-file=/nope", "cannot read the template /nope"),
        ("jsonpath={.a", "unclosed action"),
        ("custom-columns=NAME", "expected <header>:<json-path-expr>"),
        ("go-template={{foo}}", 'function "foo" not defined'),
    ],
)
def test_a_wrong_form_is_refused(output: str, why: str) -> None:
    with pytest.raises(CliError, match=re.escape(why)):
        Printer(form(output), lambda obj: "")


@pytest.mark.parametrize(
    "ordered",
    [[None, 1, 2.5, 10], ["pod-2", "pod-10"], ["900m", "1", "1500m"], ["1Mi", "1Gi"], ["2026-01-02", "2026-01-10"]],
)
def test_sorting_is_natural(ordered: list[object]) -> None:
    for place, one in enumerate(ordered):
        for other in ordered[place + 1 :]:
            assert natural(one, other) < 0 < natural(other, one)


def test_cells_of_descriptions_are_aligned_in_runs() -> None:
    lines = aligned(["Name:\tweb", "Labels:\ta=b", "\tc=d", "Containers:", "  Image:\ti"])
    assert lines == ["Name:    web", "Labels:  a=b", "         c=d", "Containers:", "  Image:  i"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("podCIDR", "Pod CIDR"), ("creationTimestamp", "Creation Timestamp"), ("a.b/c", "a.b/c"), ("uid", "Uid")],
)
def test_field_names_become_words(name: str, text: str) -> None:
    assert words(name) == text


NOW = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)


def test_an_event_of_the_old_sort_says_when_and_how_often() -> None:
    event = {
        "metadata": {"namespace": "d"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:59:00Z",
        "count": 3,
        "involvedObject": {"kind": "Pod", "name": "p"},
        "source": {"component": "kubelet"},
        "message": "m\n",
    }
    seen = happening(event)
    assert (seen.seen(NOW), seen.object, seen.source, seen.message) == ("60s (x3 over 60m)", "Pod/p", "kubelet", "m")


def test_an_event_of_the_new_sort_says_when_and_how_often() -> None:
    event = {
        "metadata": {},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "series": {"count": 2, "lastObservedTime": "2026-01-01T00:59:59.000000Z"},
        "reportingComponent": "scheduler",
    }
    assert (happening(event).seen(NOW), happening(event).source) == ("1s (x2 over 60m)", "scheduler")


def test_lines_of_several_logs_are_written_whole_each_behind_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    write = logs.prefixed("p", "c")
    for piece in (b"one\ntw", b"o\nhalf", b""):
        write(piece)
    assert capsys.readouterr().out == "[pod/p/c] one\n[pod/p/c] two\n[pod/p/c] half\n"
