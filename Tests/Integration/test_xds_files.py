"""Files as sources of configuration: mounted volumes of Kubernetes, files that are no good at the start or later, that are gone
and return, and SIGHUP. Where the real Envoy does the same, it is asked, too."""
import itertools
import json
import re
import signal
import subprocess

import pytest
from bootstrap import bootstrap, http, listener
from control_plane import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from harness import wait_until
from pki import Files, client_context
from test_certificate_reload import server, wait_serial
from test_readme import ROOT, blocks
from test_tls import tls_config
from xds_world import NODE, InFiles, body, direct, eds_cluster, endpoints, fill, rds_manager, routes, wait_body

# By type: the name in the file, the prefix of its counters, and what a client gets without it.
KINDS = {
    CLUSTER: ("app", "cluster_manager.cds", 503),
    LISTENER: ("main", "listener_manager.lds", None),
    ENDPOINTS: ("app", "cluster.app", 503),
    ROUTES: ("routes", "http.ingress.rds.routes", 404),
}
BROKEN = {"syntax": b'{"version_info": "x",\n "resources": [', "empty": b"",
          "another type": b'{"resources": [{"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}]}'}

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.rpartition(".")[2])


class ConfigMap:
    """A volume as Kubernetes mounts it: names are links into a folder that one move of a link exchanges."""

    def __init__(self, folder):
        self.folder, self.contents, self.numbers = folder, {}, itertools.count()
        folder.mkdir()

    def put(self, name, data):
        self.contents[name] = data
        inner = f"..{next(self.numbers)}"
        (self.folder / inner).mkdir()
        for one, bytes_of_one in self.contents.items():
            (self.folder / inner / one).write_bytes(bytes_of_one)
        (self.folder / "..data_tmp").symlink_to(inner)
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        if not (self.folder / name).is_symlink():
            (self.folder / name).symlink_to(f"..data/{name}")


class Mounted(InFiles):
    """`watched`: the sources name the folder whose moves tell of a change."""

    def __init__(self, files, watched):
        super().__init__(files)
        self.watched = watched

    def source(self, type_url, name=""):
        found = super().source(type_url, name)
        if self.watched:
            found["path_config_source"]["watched_directory"] = {"path": str(self.files.folder)}
        return found


def everything_changes(proxy, world, one, two):
    wait_body(proxy, one.name)
    world.put(ENDPOINTS, endpoints(two.port))
    wait_body(proxy, two.name)
    world.put(ROUTES, routes(direct("routed")))
    wait_body(proxy, b"routed")
    world.put(CLUSTER, eds_cluster(world, per_connection_buffer_limit_bytes=65536))
    proxy.wait_stat("cluster_manager.cluster_modified", 1)
    world.put(LISTENER, listener(rds_manager(world), "second"))
    wait_body(proxy, b"routed", name="second")


def server_with_name(named, name):
    made = named(name)
    made.name = name
    return made


def test_a_mounted_volume(either, named, tmp_path):
    world = Mounted(ConfigMap(tmp_path / "volume"), watched=True)
    one, two = server_with_name(named, b"one"), server_with_name(named, b"two")
    fill(world, one.port)
    everything_changes(either(world.bootstrap()), world, one, two)


def test_a_mounted_volume_without_watched_directory(start, named, tmp_path):
    """Envoy sees moves of the file itself only, which there are none."""
    world = Mounted(ConfigMap(tmp_path / "volume"), watched=False)
    one, two = server_with_name(named, b"one"), server_with_name(named, b"two")
    fill(world, one.port)
    everything_changes(start(world.bootstrap()), world, one, two)


def place(world, kind):
    return world.file(kind, KINDS[kind][0])


@each_kind
@pytest.mark.parametrize("broken", ["syntax", "empty", "another type"])
def test_a_file_that_is_no_good_at_the_start(either, named, files, kind, broken):
    world = InFiles(files)
    fill(world, named(b"one").port)
    name, (_, prefix, without) = place(world, kind), KINDS[kind]
    good = (files.folder / name).read_bytes()
    files.put(name, BROKEN[broken])
    proxy = either(world.bootstrap())
    assert body(proxy) == without
    failures = "update_rejected" if broken == "another type" else "update_failure"
    assert proxy.stat(f"{prefix}.{failures}") == 1
    files.put(name, good)
    wait_body(proxy, b"one")
    assert proxy.stat(f"{prefix}.update_success") == 1


@each_kind
def test_a_file_that_is_not_there_at_the_start(start, named, files, kind):
    """Envoy does not start without the first two, and refuses for good who names one of the others."""
    world = InFiles(files)
    fill(world, named(b"one").port)
    name, (_, prefix, without) = place(world, kind), KINDS[kind]
    good = (files.folder / name).read_bytes()
    (files.folder / name).unlink()
    proxy = start(world.bootstrap())
    assert body(proxy) == without
    assert proxy.stat(f"{prefix}.update_failure") == 1
    assert f"{files.folder / name}: cannot be read: No such file" in proxy.log_text()
    files.put(name, good)
    wait_body(proxy, b"one")


@each_kind
def test_a_file_that_is_no_good_later(either, named, files, kind):
    world = InFiles(files)
    fill(world, named(b"one").port)
    name, (_, prefix, _) = place(world, kind), KINDS[kind]
    good = (files.folder / name).read_bytes()
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    for count, broken in enumerate(("syntax", "empty"), 1):
        files.put(name, BROKEN[broken])
        proxy.wait_stat(f"{prefix}.update_failure", count)
        assert body(proxy) == b"one"
    files.put(name, BROKEN["another type"])
    proxy.wait_stat(f"{prefix}.update_rejected", 1)
    assert body(proxy) == b"one"
    files.put(name, good)
    proxy.wait_stat(f"{prefix}.update_success", 2)
    assert body(proxy) == b"one"


def test_the_log_says_where(start, named, files):
    world = InFiles(files)
    fill(world, named(b"one").port)
    proxy = start(world.bootstrap())
    path = re.escape(str(files.folder / "Cluster.json"))

    def said(data, words):
        files.put("Cluster.json", data)
        wait_until(lambda: re.search(f"{path}:{words}.*What there was before stays in use", proxy.log_text()), proxy.log_text)

    said(BROKEN["syntax"], r"\d+:\d+: is not valid YAML")
    said(b"", "1:1: the text is empty")
    wrong = {"resources": [{"@type": CLUSTER, "name": "app", "lb_policy": "NONE_SUCH"}]}
    said(json.dumps(wrong, indent=1).encode(), r"6:\d+: resources\[0\]\.lb_policy: ")


@each_kind
def test_a_file_that_is_gone_and_returns(either, named, files, kind):
    one, two = named(b"one"), named(b"two")
    world = InFiles(files)
    fill(world, one.port)
    name = place(world, kind)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    good = (files.folder / name).read_bytes()
    (files.folder / name).unlink()
    # Something else that is seen afterwards: the missing file has changed nothing.
    other = ENDPOINTS if kind != ENDPOINTS else ROUTES
    world.put(other, endpoints(two.port) if other == ENDPOINTS else routes(direct("two")))
    wait_body(proxy, b"two")
    before = proxy.stat(f"{KINDS[kind][1]}.update_success")
    files.put(name, good)
    proxy.wait_stat(f"{KINDS[kind][1]}.update_success", before + 1)
    assert body(proxy) == b"two"


def test_a_hangup_has_files_looked_at(start, named, tmp_path):
    """A folder far above is exchanged, of which the kernel does not tell."""
    world = InFiles(Files(tmp_path / "a" / "b"))
    fill(world, named(b"one").port)
    proxy = start(world.bootstrap())
    wait_body(proxy, b"one")
    Files(tmp_path / "a2" / "b")
    for one in (tmp_path / "a" / "b").iterdir():
        (tmp_path / "a2" / "b" / one.name).write_bytes(one.read_bytes())
    (tmp_path / "a").rename(tmp_path / "a1")
    (tmp_path / "a2").rename(tmp_path / "a")
    table = {"version_info": "9", "resources": [{"@type": ROUTES, **routes(direct("looked"))}]}
    (tmp_path / "a" / "b" / "RouteConfiguration-routes.json").write_text(json.dumps(table))
    proxy.signal(signal.SIGHUP)
    wait_body(proxy, b"looked")
    assert "SIGHUP: reading the 4 files of certificates and configuration that are followed" in proxy.log_text()


def test_a_hangup_has_certificates_looked_at(start, ca, files):
    old, new = ca.leaf("old", dns=["localhost"]), ca.leaf("new", dns=["localhost"])
    inner = Files(files.folder / "a" / "b")
    inner.put_leaf(old)
    config = tls_config(server(inner))
    config["layered_runtime"] = {"layers": [{"name": "l", "static_layer": {"outrider.tls.poll_files_seconds": 0}}]}
    proxy = start(config)
    Files(files.folder / "a2" / "b").put_leaf(new)
    (files.folder / "a").rename(files.folder / "a1")
    (files.folder / "a2").rename(files.folder / "a")
    proxy.signal(signal.SIGHUP)
    wait_serial(proxy, client_context(ca), new)
    assert "SIGHUP: reading the 2 files" in proxy.log_text()


def test_a_hangup_without_files(start):
    proxy = start(http([direct("x")]))
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: "SIGHUP: no file is followed; ignored" in proxy.log_text(), proxy.log_text)


def test_the_examples_of_the_page(either, tmp_path):
    """docs/dynamic-configuration.md: both bootstraps are taken, and the files are what they are said to be."""
    of_files, clusters, assignment, of_ads = blocks(ROOT / "docs" / "dynamic-configuration.md")

    def write(name, text):
        (tmp_path / name).write_text(text.replace("/etc/proxy", str(tmp_path)))
        return str(tmp_path / name)

    write("lds.yaml", "resources: []\n")
    cds = write("cds.yaml", clusters)
    write("app.yaml", assignment)
    proxy = either(bootstrap([], [], node=NODE, dynamic_resources={"cds_config": {"path_config_source": {"path": cds}}}))
    wait_until(lambda: b"app::10.0.0.7:8080::weight::1\n" in proxy.get_admin("/clusters").body, "the endpoint")
    binary = proxy.process.args[0]
    for text in (of_files, of_ads):
        run = subprocess.run([binary, "--mode", "validate", "-c", write("bootstrap.yaml", text)], capture_output=True, text=True,
                             timeout=60, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
