"""Reading manifests, and what is said of wrong ones."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from timonel.cli import fieldnames, manifests
from timonel.cli.errors import CliError
from timonel.cli.manifests import Source

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


def names(*sources: str, recursive: bool = False) -> list[str]:
    return [manifest.name for manifest in manifests.load(sources, recursive=recursive)]


def faults(text: str) -> list[str]:
    found = manifests.read(Source("x.yaml", text.encode()))
    return [problem for manifest in found for problem in fieldnames.problems(manifest)]


def test_a_folder_is_read_in_the_order_of_names_and_below_only_if_asked(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.yaml").write_text(CONFIG_MAP % "b1" + "---\n" + CONFIG_MAP % "b2")
    (tmp_path / "a.yml").write_text("# nothing but a comment\n---\n" + CONFIG_MAP % "a")
    (tmp_path / "c.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}')
    (tmp_path / "sub" / "d.yaml").write_text(CONFIG_MAP % "d")
    (tmp_path / "notes.txt").write_text("not this")
    assert names(str(tmp_path)) == ["a", "b1", "b2", "c"]
    assert names(str(tmp_path), recursive=True) == ["a", "b1", "b2", "c", "d"]


def test_namespaces_come_first_and_lists_are_taken_apart(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    one, two = (f"- {{apiVersion: v1, kind: {kind}, metadata: {{name: x}}}}\n" for kind in ("ConfigMap", "Namespace"))
    file.write_text(f"apiVersion: v1\nkind: List\nitems:\n{one}{two}")
    found = manifests.load([str(file)])
    assert [manifest.gvk.kind for manifest in found] == ["Namespace", "ConfigMap"]
    assert found[0].where("metadata.name") == f"{file}, document 1, line 5"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "cm.yaml").write_text(CONFIG_MAP % "far")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_url_is_fetched(url: str) -> None:
    assert names(f"{url}/cm.yaml") == ["far"]
    with pytest.raises(CliError, match=r"nope\.yaml: File not found"):
        names(f"{url}/nope.yaml")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "x.yaml, document 1: yaml parse error"),
        ("- a", "x.yaml, document 1: a manifest is a mapping, this is a list"),
        ("kind: Pod", "x.yaml, document 1: apiVersion is not set"),
        ("apiVersion: v1", "x.yaml, document 1: kind is not set"),
        ("apiVersion: a/b/c\nkind: Pod", "is not of the form group/version"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}", "Pod has no metadata.name"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}", "generateName is for create alone"),
        (CONFIG_MAP % "a" + "---\nkind: Pod", "x.yaml, document 2: apiVersion is not set"),
        (CONFIG_MAP % "a" + "---\na: b: c", "x.yaml, document 2: yaml parse error"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(CliError) as caught:
        list(manifests.read(Source("x.yaml", text.encode())))
    assert why in str(caught.value)


def test_paths_that_are_not_there_or_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="does not exist"):
        manifests.load([str(tmp_path / "nope")])
    with pytest.raises(CliError, match=r"no \.yaml, \.yml, \.json files .*; -R looks below"):
        manifests.load([str(tmp_path)])
    with pytest.raises(CliError, match="-f FILE"):
        manifests.load([])


DEPLOYMENT = """# a comment
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labells: {a: b}
spec:
  replicas: "three"
  template:
    spec:
      containers:
      - name: x
        imagee: b
        ports:
          - containerport: 80
  selector: {}
  selector: {}
"""


def test_wrong_fields_are_told_with_line_path_and_the_nearest_right_word() -> None:
    assert sorted(faults("---\n" + DEPLOYMENT)) == [
        'x.yaml, document 1, line 14: unknown field "spec.template.spec.containers[0].imagee"; did you mean "image"?',
        'x.yaml, document 1, line 16: unknown field "spec.template.spec.containers[0].ports[0].containerport"; '
        'did you mean "containerPort"?',
        'x.yaml, document 1, line 18: duplicate field "spec.selector"',
        'x.yaml, document 1, line 7: unknown field "metadata.labells"; did you mean "labels"?',
        "x.yaml, document 1, line 9: json: cannot unmarshal string into field spec.replicas of type int32",
    ]


def test_fields_of_list_items_and_of_kinds_not_built_in() -> None:
    items = "- {apiVersion: v1, kind: ConfigMap, metadata: {name: p}, dat: {}}"
    assert faults(f"apiVersion: v1\nkind: List\nitems:\n{items}") == [
        'x.yaml, document 1, line 4: unknown field "dat"; did you mean "data"?'
    ]
    assert faults("apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: t}\nanything: goes") == []


def test_a_sound_manifest_has_no_faults() -> None:
    assert faults(CONFIG_MAP % "a") == []
