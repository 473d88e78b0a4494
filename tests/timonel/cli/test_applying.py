"""Manifests become objects: apply and diff."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from command_line import Timonel, Web


def test_apply_says_what_it_did(timonel: Timonel, web: Web) -> None:
    assert timonel("apply", "-f", "-", stdin=web()).out == "deployment.apps/web created\n"
    assert timonel("apply", "-f", "-", stdin=web()).out == "deployment.apps/web unchanged\n"
    assert timonel("apply", "-f", "-", stdin=web(replicas=2)).out == "deployment.apps/web configured\n"
    found = json.loads(timonel("get", "deploy", "web", "-o", "json", "--show-managed-fields").out)
    assert found["spec"]["replicas"] == 2
    assert "timonel" in {entry["manager"] for entry in found["metadata"]["managedFields"]}


def test_dry_runs_change_nothing(timonel: Timonel, web: Web) -> None:
    for how, said in (("client", "dry run"), ("server", "server dry run")):
        ran = timonel("apply", "-f", "-", f"--dry-run={how}", stdin=web())
        assert (ran.code, ran.out) == (0, f"deployment.apps/web created ({said})\n")
    assert timonel("get", "deploy").err.startswith("No resources found in ")


def test_apply_prints_the_objects_that_were_made_if_asked(timonel: Timonel, web: Web) -> None:
    assert timonel("apply", "-f", "-", "-o", "name", stdin=web()).out == "deployment.apps/web\n"
    ran = timonel("apply", "-f", "-", "-o", "jsonpath={.spec.replicas}", stdin=web())
    assert ran.out == "1"


def test_apply_waits_and_tells_how_far_it_is(timonel: Timonel, web: Web) -> None:
    ran = timonel("apply", "-f", "-", "--wait", stdin=web(replicas=2))
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == 'deployment.apps/web: deployment "web" successfully rolled out'


def test_what_does_not_become_ready_is_told_with_its_reason(timonel: Timonel, web: Web) -> None:
    ran = timonel("apply", "-f", "-", "--wait", "--timeout", "2s", stdin=web(cpu="500"))
    assert ran.code == 1
    assert "timed out; not ready are:\ndeployment.apps/web: Waiting for" in ran.err
    assert "0/2 nodes are available: 2 Insufficient cpu." in ran.err
    assert "0/2 nodes are available: 2 Insufficient cpu." in ran.out


def test_nothing_is_applied_of_manifests_with_faults(timonel: Timonel, web: Web, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(web("one"))
    (tmp_path / "b.yaml").write_text(web("two").replace("replicas:", "replica:"))
    ran = timonel("apply", "-f", str(tmp_path))
    assert (ran.code, ran.out) == (1, "")
    place = f"{tmp_path}/b.yaml, document 1, line 8"
    assert f'{place}: unknown field "spec.replica"; did you mean "replicas"?' in ran.err
    assert timonel("get", "deploy").out == ""
    ran = timonel("apply", "-f", str(tmp_path), "--validate=warn")
    assert (ran.code, ran.out) == (0, "deployment.apps/one created\ndeployment.apps/two created\n")
    assert "Warning: " in ran.err
    assert timonel("apply", "-f", str(tmp_path), "--validate=ignore").err == ""


def test_unknown_kinds_are_refused_with_their_place(timonel: Timonel, web: Web) -> None:
    ran = timonel("apply", "-f", "-", stdin=web().replace("kind: Deployment", "kind: Deploymint"))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        'error: stdin, document 1, line 3: no kind "Deploymint" in version "apps/v1"; did you mean "Deployment"?\n'
    )


def test_a_namespace_that_contradicts_the_users_is_refused(timonel: Timonel, web: Web) -> None:
    manifest = web().replace("  name: web\n", "  name: web\n  namespace: other\n", 1)
    ran = timonel("apply", "-f", "-", stdin=manifest)
    assert (ran.code, ran.out) == (1, "")
    assert 'stdin, document 1, line 6: it says "other", but you asked for' in ran.err


def test_what_the_server_refuses_is_told_with_its_place_and_does_not_hold_up_the_rest(
    timonel: Timonel, web: Web
) -> None:
    ran = timonel("apply", "-f", "-", stdin=web("bad", replicas=-1) + "---" + web("good"))
    assert (ran.code, ran.out) == (1, "deployment.apps/good created\n")
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0\n" in ran.err
    assert "in stdin, document 1, line 8\n" in ran.err


def test_conflicts_are_explained_and_can_be_forced(timonel: Timonel, web: Web) -> None:
    timonel("apply", "-f", "-", "--field-manager", "other", stdin=web())
    ran = timonel("apply", "-f", "-", stdin=web(replicas=3))
    assert ran.code == 1
    assert '.spec.replicas: conflict with "other"' in ran.err
    assert "in stdin, document 1, line 8" in ran.err
    assert "--force-conflicts takes them over" in ran.err
    assert timonel("apply", "-f", "-", "--force-conflicts", stdin=web(replicas=3)).code == 0


def test_diff_shows_changes_and_tells_them_by_its_exit_code(
    timonel: Timonel, web: Web, running: Callable[..., None]
) -> None:
    running()
    same = timonel("diff", "-f", "-", stdin=web())
    assert (same.code, same.out) == (0, "")
    ran = timonel("diff", "-f", "-", stdin=web(replicas=2))
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0].startswith("--- live/apps.v1.Deployment.")
    assert {"-  replicas: 1", "+  replicas: 2"} <= set(lines)
    new = timonel("diff", "-f", "-", stdin=web("new"))
    assert new.code == 1
    assert "+  name: new" in new.out
    assert timonel("diff", "-f", "/nope").code == 2
