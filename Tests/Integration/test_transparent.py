"""Taking connections over: redirected by netfilter or routed through, between two hosts of their own."""
import contextlib
import json
import os
import subprocess

import pytest
from bootstrap import bootstrap, cluster, forward, listener, manager, tcp_proxy
from harness import Proxy, Upstream, response, serve
from netns import greeter, hosts  # noqa: F401
from test_listener_filters import FLUSH, HTTP, ORIGINAL_DST, TLS, Log, listener_filter, says
from test_original_dst import original

ENTRY = 15006
NEAR = {"4": "10.77.0.1", "6": "fd77::1"}
FAR = {"4": "10.77.0.2", "6": "fd77::2"}
# An address that nobody has; `far` sends what is for it by way of `near`.
ELSEWHERE = {"4": "192.0.2.80", "6": "2001:db8::80"}
ANY = {"4": "0.0.0.0", "6": "::"}
VERSIONS = pytest.mark.parametrize("version", ["4", "6"])


def endpoint(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def at(host, port, **more):
    return {"socket_address": {"address": host, "port_value": port, **more}}


def iptables_redirect(near, version, port):
    tool = "iptables" if version == "4" else "ip6tables"
    near.run(tool, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", str(port), "-j", "REDIRECT", "--to-ports", str(ENTRY))


def nft_redirect(near, version, port):
    family = "ip" if version == "4" else "ip6"
    near.run("nft", f"add table {family} t; add chain {family} t c {{ type nat hook prerouting priority -100; }}; "
                 f"add rule {family} t c tcp dport {port} redirect to :{ENTRY}")


def tproxy(near, version, port):
    tool = "iptables" if version == "4" else "ip6tables"
    near.run(tool, "-t", "mangle", "-A", "PREROUTING", "-p", "tcp", "--dport", str(port), "-j", "TPROXY",
                 "--on-port", str(ENTRY), "--tproxy-mark", "1")
    near.run("ip", f"-{version}", "rule", "add", "fwmark", "1", "lookup", "100")
    near.run("ip", f"-{version}", "route", "add", "local", "default", "dev", "lo", "table", "100")


@pytest.fixture
def on_near(hosts):  # noqa: F811
    """on_near(config) -> a proxy that runs on the near host."""
    near, _ = hosts
    with contextlib.ExitStack() as stack:

        def launch(config):
            with near.entered():
                proxy = Proxy(config, arguments=FLUSH)
            stack.callback(proxy.stop)
            return proxy

        yield launch


@pytest.fixture
def upstream_on(hosts):  # noqa: F811
    """upstream_on(script) -> a scripted server on the near host, on its loopback interface or an address."""
    near, _ = hosts
    with contextlib.ExitStack() as stack:

        def launch(script, *address):
            with near.entered():
                server = Upstream(script, None, *address)
            stack.callback(server.close)
            return server

        yield launch


def curl(host, url):
    return host.run("curl", "-sS", "--max-time", "10", url)


@VERSIONS
@pytest.mark.parametrize("rule", [iptables_redirect, nft_redirect])
def test_a_redirected_connection_knows_its_destination(hosts, on_near, upstream_on, tmp_path, version, rule):  # noqa: F811
    near, far = hosts
    rule(near, version, 8080)
    log = Log(tmp_path / "log", "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")
    app = upstream_on(serve(lambda request: response(body=b"hello")))
    on_near(bootstrap(
        [listener(manager([forward()], access_log=log.config), address=at(ANY[version], ENTRY), listener_filters=[ORIGINAL_DST])],
        [cluster("app", app.port)]))
    assert curl(far, f"http://{endpoint(NEAR[version], 8080)}/") == "hello"
    assert log.lines(1) == [
        f"{endpoint(NEAR[version], 8080)} {endpoint(NEAR[version], ENTRY)} {FAR[version]}"]


@VERSIONS
def test_tproxy_leaves_the_destination_as_it_was(hosts, on_near, upstream_on, tmp_path, version):  # noqa: F811
    near, far = hosts
    far.run("ip", f"-{version}", "route", "add", "default", "via", NEAR[version])
    tproxy(near, version, 80)
    log = Log(tmp_path / "log", "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")
    app = upstream_on(serve(lambda request: response(body=b"hello")))
    match = {"filter_chain_match": {"destination_port": 80, "prefix_ranges": [
        {"address_prefix": ELSEWHERE[version], "prefix_len": 32 if version == "4" else 128}]}}
    on_near(bootstrap(
        [listener(manager([forward()], access_log=log.config), chain=match, address=at(ANY[version], ENTRY), transparent=True,
                  listener_filters=[ORIGINAL_DST])],
        [cluster("app", app.port)]))
    meant = endpoint(ELSEWHERE[version], 80)
    assert curl(far, f"http://{meant}/") == "hello"
    assert log.lines(1) == [f"{meant} {meant} {FAR[version]}"]


@VERSIONS
def test_connections_go_on_to_the_listener_of_their_port(hosts, on_near, upstream_on, version):  # noqa: F811
    near, far = hosts
    for port in (8080, 8081, 8082):
        iptables_redirect(near, version, port)
    names = ("entry", "exact", "any")
    where = {"entry": at(ANY[version], ENTRY), "exact": at(NEAR[version], 8081), "any": at(ANY[version], 8082)}
    answers = {name: upstream_on(serve(lambda request, name=name: response(body=name.encode()))) for name in names}
    on_near(bootstrap(
        [listener(manager([forward(to=name)]), name=name, address=where[name],
                  **({"use_original_dst": True} if name == "entry" else {"bind_to_port": False})) for name in names],
        [cluster(name, answers[name].port) for name in names]))
    for port, name in ((8080, "entry"), (8081, "exact"), (8082, "any")):
        assert curl(far, f"http://{endpoint(NEAR[version], port)}/") == name


def test_ipv4_over_a_socket_for_both_is_redirected_too(hosts, on_near, upstream_on, tmp_path):  # noqa: F811
    near, far = hosts
    iptables_redirect(near, "4", 8080)
    log = Log(tmp_path / "log", "%DOWNSTREAM_LOCAL_ADDRESS%")
    app = upstream_on(serve(lambda request: response(body=b"hello")))
    on_near(bootstrap(
        [listener(manager([forward()], access_log=log.config), address=at("::", ENTRY, ipv4_compat=True),
                  listener_filters=[ORIGINAL_DST])],
        [cluster("app", app.port)]))
    assert curl(far, f"http://{endpoint(NEAR['4'], 8080)}/") == "hello"
    assert log.lines(1) == [endpoint(NEAR["4"], 8080)]


def test_what_is_spoken_decides_behind_a_redirect(hosts, on_near, upstream_on):  # noqa: F811
    near, far = hosts
    iptables_redirect(near, "4", 8080)
    web = upstream_on(serve(lambda request: response(body=b"web")))
    raw = upstream_on(says(b"raw"))
    chains = [{"filter_chain_match": {"application_protocols": ["http/1.1"]}, "filters": [manager([forward(to="web")])]}]
    on_near(bootstrap(
        [listener(tcp_proxy("raw"), address=at("0.0.0.0", ENTRY), filter_chains=chains, listener_filters=[ORIGINAL_DST, HTTP],
                  default_filter_chain={"filters": [tcp_proxy("raw")]})],
        [cluster("web", web.port), cluster("raw", raw.port)]))
    assert curl(far, f"http://{endpoint(NEAR['4'], 8080)}/") == "web"
    assert far.run("bash", "-c", f"exec 3<>/dev/tcp/{NEAR['4']}/8080; echo EHLO me >&3; head -c 3 <&3") == "raw"


@VERSIONS
def test_one_listener_for_whatever_is_redirected(hosts, on_near, upstream_on, greeter, version):  # noqa: F811
    """Each connection reaches the port that it was meant for: HTTP, and a server that speaks first."""
    near, far = hosts
    web = upstream_on(serve(lambda request: response(body=b"web")), NEAR[version])
    database = greeter(near, 3306, "ready")
    for port in (web.port, 3306, 3307):
        iptables_redirect(near, version, port)
    chains = [{"filter_chain_match": {"application_protocols": ["http/1.1"]}, "filters": [manager([forward()])]}]
    on_near(bootstrap(
        [listener(tcp_proxy(), address=at(ANY[version], ENTRY), filter_chains=chains, listener_filters=[ORIGINAL_DST, TLS, HTTP],
                  default_filter_chain={"filters": [tcp_proxy()]}, listener_filters_timeout="600s")],
        [original()]))
    assert curl(far, f"http://{endpoint(NEAR[version], web.port)}/") == "web"
    for _ in range(2):
        with far.connect(NEAR[version], 3306) as client:
            assert client.recv(5) == b"ready"
    assert len(database.peers) == 2
    with far.connect(NEAR[version], 3307) as client:
        client.sendall(b"\0")
        assert client.recv(1) == b""


@VERSIONS
def test_the_app_sees_the_clients_address(hosts, on_near, greeter, version):  # noqa: F811
    """Answers to foreign addresses come back to the proxy by the mark of its connections."""
    near, far = hosts
    tool = "iptables" if version == "4" else "ip6tables"
    near.run(tool, "-t", "mangle", "-A", "PREROUTING", "-m", "mark", "--mark", "123", "-j", "CONNMARK", "--save-mark")
    near.run(tool, "-t", "mangle", "-A", "OUTPUT", "-m", "connmark", "--mark", "123", "-j", "CONNMARK", "--restore-mark")
    near.run("ip", f"-{version}", "rule", "add", "fwmark", "123", "lookup", "100")
    near.run("ip", f"-{version}", "route", "add", "local", "default", "dev", "lo", "table", "100")
    app = greeter(near, 9000, "app")
    source = listener_filter("original_src", "OriginalSrc", mark=123)
    host = {"lb_endpoints": [{"endpoint": {"address": at(NEAR[version], 9000)}}]}
    on_near(bootstrap(
        [listener(tcp_proxy(), address=at(ANY[version], ENTRY), listener_filters=[source])],
        [cluster("app", load_assignment={"cluster_name": "app", "endpoints": [host]})]))
    with far.connect(NEAR[version], ENTRY) as client:
        assert client.recv(3) == b"app"
    assert [peer for peer, _ in app.peers] == [FAR[version]]


@VERSIONS
def test_freebind_takes_an_address_that_is_not_there(on_near, upstream_on, version):
    proxy = on_near(bootstrap(
        [listener(tcp_proxy(), address=at(ELSEWHERE[version], 8080), freebind=True)], [cluster("app", upstream_on(says(b"x")).port)]))
    assert proxy.process.poll() is None


@pytest.mark.parametrize("settings, option", [
    ({"transparent": True}, "IP_TRANSPARENT"),
    ({"socket_options": [{"level": 1, "name": 36, "int_value": 7}]}, "level 1 name 36")])
def test_a_missing_capability_is_named(tmp_path, settings, option):
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(bootstrap([listener(tcp_proxy(), **settings)], [cluster("app", 1)])))
    done = subprocess.run(
        ["setpriv", "--bounding-set=-net_admin,-net_raw", "--inh-caps=-net_admin,-net_raw", os.environ["OUTRIDER"], "-c", str(path)],
        capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert f"listener 'main': setsockopt {option} (needs the capability CAP_NET_ADMIN)" in done.stdout + done.stderr
