"""Files with mistakes: all of them in one run, each with its place, exit 1, and nothing on the network touched."""
import json
import os
import re
import socket
import subprocess

import pytest
from bootstrap import DOWNSTREAM_TLS, bootstrap, cluster, forward, http, listener, manager
from harness import connect
from pki import Authority

MISTAKES = """\
admin:
  address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
static_resources:
  listeners:
  - name: main
    address: { socket_address: { address: 127.0.0.1, port_valu: 99999 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          codec_type: HTTP9
          stream_idle_timeout: 5 minutes
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { safe_regex: { regex: "a(b" } }
                route: { cluster: nowhere }
              - match: { prefix: / }
                route: { cluster: app, timeout: -1s }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  - name: empty
    address: { socket_address: { address: 127.0.0.1, port_value: 70000 } }
  clusters:
  - name: app
    type: STATIC
    lb_policy: ROUND_ROBBIN
    connect_timeout: 1s
  - name: app
    type: STATIC
  - name: checked
    type: STATIC
    preconnect_policy: {}
"""
CHAIN = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config"
FOUND = [
    '6:54: static_resources.listeners[0].address.socket_address.port_valu: unknown field; did you mean "port_value"?',
    f'13:23: {CHAIN}.codec_type: "HTTP9" is not a value of this field; did you mean "HTTP1" or "HTTP2" or "HTTP3"?',
    f'14:32: {CHAIN}.stream_idle_timeout: expected a duration in seconds, such as "1.5s", found "5 minutes"',
    f"20:47: {CHAIN}.route_config.virtual_hosts[0].routes[0].match.safe_regex.regex: invalid regex 'a(b': missing ): a(b",
    f'21:35: {CHAIN}.route_config.virtual_hosts[0].routes[0].route.cluster: there is no cluster "nowhere"',
    f'23:49: {CHAIN}.route_config.virtual_hosts[0].routes[1].route.timeout: a duration cannot be negative, found "-1s"',
    "27:5: static_resources.listeners[1].filter_chains: a listener needs at least one filter chain",
    "28:66: static_resources.listeners[1].address.socket_address.port_value: must be at most 65535, found 70000",
    '32:16: static_resources.clusters[0].lb_policy: "ROUND_ROBBIN" is not a value of this field; did you mean "ROUND_ROBIN"?',
    '34:11: static_resources.clusters[1].name: "app" is the name of another cluster (line 30)',
    # What Outrider does not act on comes behind what is wrong.
    "38:5: static_resources.clusters[2].preconnect_policy: is an Envoy field that Outrider does not act on",
]


def run(*arguments):
    return subprocess.run([os.environ["OUTRIDER"], *map(str, arguments)], capture_output=True, text=True, timeout=20, check=False)


def write(folder, content, name="bootstrap.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def problems(folder, config, *arguments):
    """What the program says of a file, without the file's name and the place."""
    path = write(folder, config)
    result = run("-c", path, *arguments)
    assert result.returncode == 1, result.stdout + result.stderr
    return [re.sub(r"^.*?bootstrap\.json:\d+:\d+: ", "", line) for line in result.stderr.splitlines()]


@pytest.mark.parametrize("arguments", [[], ["--mode", "validate"]])
def test_every_mistake_has_its_line(tmp_path, arguments):
    path = write(tmp_path, MISTAKES, "bootstrap.yaml")
    result = run("-c", path, *arguments)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [f"{path}:{line}" for line in FOUND]
    assert result.stdout == ""


def test_the_subcommand_checks_many_files(tmp_path):
    good = write(tmp_path, http(clusters=[cluster("app", 1)]), "good.json")
    bad = write(tmp_path, MISTAKES, "bad.yaml")
    result = run("validate", good, bad)
    assert result.returncode == 1
    assert f"configuration '{good}' OK" in result.stdout
    assert len(result.stderr.splitlines()) == len(FOUND)
    assert run("validate", good).returncode == 0


def test_nothing_is_bound_before_the_file_is_right(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = http([forward(to="nowhere")], clusters=[cluster("app", 1)])
        config["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = taken.getsockname()[1]
        # A taken port would be another error, had it been tried.
        found = problems(tmp_path, config)
    assert found == [f'{CHAIN}.route_config.virtual_hosts[0].routes[0].route.cluster: there is no cluster "nowhere"']


@pytest.mark.parametrize("text, words", [
    ("static_resources:\n  listeners: [\n", "bootstrap.yaml:"), ("a: b\n c: d\n", "bootstrap.yaml:2:"), ("{", "bootstrap.yaml:"),
    ("- a\n- b\n", "bootstrap.yaml:1:1"), ("admin: 3\n", "bootstrap.yaml:1:8: admin"), ("admin: {}\nadmin: {}\n", "bootstrap.yaml:2:1"),
    ("static_resources: { clusters: 7 }\n", "bootstrap.yaml:1:31: static_resources.clusters"), ("a: *missing\n", "bootstrap.yaml:1:"),
    ("\t- x\n", "bootstrap.yaml:1:"), ("stats_flush_interval: 1h\n", "bootstrap.yaml:1:23: stats_flush_interval"),
])
def test_text_that_is_no_configuration(tmp_path, text, words):
    result = run("-c", write(tmp_path, text, "bootstrap.yaml"))
    assert result.returncode == 1
    assert words in result.stderr.splitlines()[0]


def test_aliases_cannot_grow_without_bound(tmp_path):
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    result = run("-c", write(tmp_path, text, "bootstrap.yaml"))
    assert result.returncode == 1


def test_duplicates(tmp_path):
    one = listener(manager([forward()]), name="same")
    config = bootstrap([one, one], [cluster("app", 1)])
    found = problems(tmp_path, config)
    assert len(found) == 1
    assert 'static_resources.listeners[1].name: "same" is the name of another listener' in found[0]


def test_virtual_hosts_and_domains_once(tmp_path):
    routes = {"virtual_hosts": [{"name": "v", "domains": ["a", "a"], "routes": []}, {"name": "v", "domains": ["A"], "routes": []}]}
    found = problems(tmp_path, http(clusters=[cluster("app", 1)], route_config=routes))
    assert len(found) == 3, found


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def served_with(certificate, **validation):
    context = {"@type": DOWNSTREAM_TLS, "common_tls_context": {"tls_certificates": [certificate], **validation}}
    chain = {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}
    return bootstrap([listener(manager([forward()]), chain=chain)], [cluster("app", 1)])


def test_certificates(tmp_path, authority):
    one, other = authority.leaf("one"), authority.leaf("other")
    garbage = write(tmp_path, "no PEM", "garbage.pem")
    cases = {
        "missing file": ({**one.config, "private_key": {"filename": str(tmp_path / "none.key")}}, ["private_key", "none.key", "No such file"]),
        "mismatch": ({**one.config, "private_key": other.config["private_key"]}, ["other.key does not belong to the certificate"]),
        "garbage certificate": ({**one.config, "certificate_chain": {"filename": str(garbage)}}, ["certificate_chain", "garbage.pem"]),
        "garbage key": ({**one.config, "private_key": {"filename": str(garbage)}}, ["private_key", "garbage.pem"]),
        "no key": ({"certificate_chain": one.config["certificate_chain"]}, ["private_key"]),
    }
    for name, (certificate, words) in cases.items():
        found = problems(tmp_path, served_with(certificate))
        assert len(found) == 1, (name, found)
        assert all(word in found[0] for word in ["tls_certificates[0]", *words]), (name, found)


def test_unreadable_trusted_ca(tmp_path, authority):
    leaf = authority.leaf("one")
    for name, word in (("none.pem", "No such file"), ("garbage.pem", "garbage.pem")):
        write(tmp_path, "no PEM", "garbage.pem")
        found = problems(tmp_path, served_with(leaf.config, validation_context={"trusted_ca": {"filename": str(tmp_path / name)}}))
        assert len(found) == 1 and "trusted_ca" in found[0] and word in found[0], found


@pytest.mark.parametrize("change, words", [
    ({"circuit_breakers": {"thresholds": [{"max_requests": -1}]}}, "max_requests"),
    ({"connect_timeout": "0s"}, "connect_timeout"),
    ({"type": "STATIK"}, 'did you mean "STATIC"?'),
    ({"per_connection_buffer_limit_bytes": 1 << 33}, "per_connection_buffer_limit_bytes"),
    ({"outlier_detection": {"monitors": [{"name": "a"}]}}, "monitors: is an Envoy field that Outrider does not act on"),
    ({"outlier_detection": {"max_ejection_time": "1s"}}, "max_ejection_time: must not be less than base_ejection_time (30s)"),
    ({"preconnect_policy": {}}, "preconnect_policy: is an Envoy field that Outrider does not act on"),
    ({"conect_timeout": "1s"}, 'did you mean "connect_timeout"?'),
    ({"connectTimeout": "1s"}, "connect"),
])
def test_clusters(tmp_path, change, words):
    found = problems(tmp_path, bootstrap([], [{**cluster("app", 1), **change}]))
    assert any(words in line for line in found), found


def test_filters_without_an_implementation(tmp_path):
    filters = [{"name": "envoy.filters.http.lua", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"}}]
    found = problems(tmp_path, http(clusters=[cluster("app", 1)], http_filters=filters))
    assert any("http_filters[0]" in line and "lua.v3.Lua" in line for line in found), found


def test_unknown_fields_can_be_allowed(tmp_path):
    config = http(clusters=[{**cluster("app", 1), "made_up": 1}])
    assert problems(tmp_path, config) == ["static_resources.clusters[0].made_up: unknown field of envoy.config.cluster.v3.Cluster"]
    path = write(tmp_path, config)
    result = run("-c", path, "--mode", "validate", "--allow-unknown-static-fields")
    assert result.returncode == 0
    assert "made_up" in result.stderr


def test_anchors_and_merged_yaml(start, upstream, tmp_path):
    server = upstream()
    text = f"""\
admin: {{ address: &local {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }} }}
static_resources:
  listeners:
  - name: main
    address: *local
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: app
  clusters:
  - &app
    name: app
    type: STATIC
    loadAssignment:          # lowerCamelCase is the same
      clusterName: app
      endpoints: [{{ lbEndpoints: [{{ endpoint: {{ address: {{ socketAddress: {{ address: 127.0.0.1, portValue: {server.port} }} }} }} }}] }}]
  - {{ <<: *app, name: second }}
"""
    path = write(tmp_path, text, "bootstrap.yaml")
    assert run("-c", path, "--mode", "validate").returncode == 0
    # An overlay adds to the file: lists are appended, scalars replaced.
    overlay = "node: { id: overlaid }\nstatic_resources: { clusters: [{ name: third, type: STATIC }] }"
    proxy = start({"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}},
                  arguments=["--config-yaml", text + "\nnode: { id: overlaid }"])
    with connect(proxy.port("main")).sock as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
    assert json.loads(proxy.get_admin("/server_info").body)["node"]["id"] == "overlaid"
    assert run("-c", path, "--config-yaml", overlay, "--mode", "validate").returncode == 0
    wrong = run("-c", path, "--config-yaml", "node: { idd: x }", "--mode", "validate")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith('--config-yaml:1:9: node.idd: unknown field; did you mean "id"?')
