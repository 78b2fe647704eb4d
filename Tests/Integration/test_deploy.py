"""deploy/: files that their own tools accept, with flags that exist."""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFEST = DEPLOY / "kubernetes" / "sidecar.yaml"
# Linters of the virtual environment.
TOOLS = pathlib.Path(sys.executable).parent


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def commands():
    """Every command line of Outrider in deploy/."""
    for line in "\n".join(unit.read_text() for unit in UNITS).splitlines():
        if found := re.match(r"Exec\w+=/usr/local/bin/outrider (.*)", line):
            yield shlex.split(found[1])
    template = next(yaml.safe_load_all(MANIFEST.read_text()))["spec"]["template"]["spec"]
    redirect, sidecar = template["initContainers"]
    yield ["redirect", *redirect["args"]]
    yield sidecar["args"]
    yield sidecar["startupProbe"]["exec"]["command"][1:]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_the_flags_exist(words):
    """The command lines are for other machines: they are run as far as that has no effect."""
    harmless = {"sidecar": ["--print-config"], "redirect": ["--dry-run"], "wait": ["--timeout=1ms"]}[words[0]]
    # A user that this machine has.
    words = [word.replace("--proxy-uid=outrider", "--proxy-uid=root") for word in words]
    if "--undo" in words:
        # Two of these are refused, and nothing else is: so it is there.
        done = run(os.environ["OUTRIDER"], *words, *harmless)
        assert done.returncode == 64 and "--dry-run, --check and --undo: one of them" in done.stderr
        return
    done = run(os.environ["OUTRIDER"], *words, *harmless)
    # 1: nobody answers here. 64 would be a mistake on the command line.
    assert done.returncode == (1 if words[0] == "wait" else 0), done.stderr


def test_the_manifests_fit_the_schema():
    done = run(str(TOOLS / "kubernetes-validate"), "--strict", str(MANIFEST))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sidecar_has_no_rights_that_it_does_not_need():
    template = next(yaml.safe_load_all(MANIFEST.read_text()))["spec"]["template"]["spec"]
    for container in template["initContainers"] + template["containers"]:
        security = container["securityContext"]
        allowed = ["NET_ADMIN"] if container["name"] == "redirect" else None
        assert security["capabilities"] == {"drop": ["ALL"], **({"add": allowed} if allowed else {})}
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
        assert (security["runAsUser"] == 0) == (container["name"] == "redirect")
        assert set(container["resources"]) == {"requests", "limits"}
        assert "lifecycle" not in container
    redirect, sidecar = template["initContainers"]
    assert sidecar["restartPolicy"] == "Always" and sidecar["startupProbe"]["exec"]["command"][1] == "wait"
    assert f"--proxy-uid={sidecar['securityContext']['runAsUser']}" in redirect["args"]
    drain = next(int(word.split("=")[1]) for word in sidecar["args"] if word.startswith("--drain-time-s"))
    assert drain < template["terminationGracePeriodSeconds"]


def test_the_image():
    done = run(str(TOOLS / "hadolint"), str(DEPLOY / "Dockerfile"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_units(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    # The tool wants a binary that is there.
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/local/bin/outrider", os.path.abspath(os.environ["OUTRIDER"])))
    paths = [str(tmp_path / unit.name) for unit in UNITS]
    done = run("systemd-analyze", "verify", "--man=no", *paths)
    assert done.returncode == 0 and not done.stderr, done.stderr
    for path in paths:
        # In tenths: 0 is as closed as can be, 100 wide open.
        security = run("systemd-analyze", "security", "--offline=true", "--threshold=35", path)
        assert security.returncode == 0, security.stdout[-500:]
