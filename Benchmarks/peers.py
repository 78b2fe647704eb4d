"""The proxies under comparison: how each is configured for the same work and started."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
ROOT = pathlib.Path(__file__).resolve().parent.parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Process:
    """A child pinned to one core, with its process tree's CPU time and memory."""

    def __init__(self, name, command, port, core, log):
        self.name, self.port, self.log = name, port, log
        with open(log, "wb") as out:
            self.child = subprocess.Popen(
                ["taskset", "-c", str(core), *command], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not listening(port):
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{name} did not start:\n{pathlib.Path(log).read_text()[-2000:]}")
            time.sleep(0.02)

    def tree(self):
        found, queue = [], [self.child.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                queue += [int(child) for child in task.read_text().split()]
        return found

    def cpu(self):
        """(user, system) seconds so far, from the scheduler's own count where it is finer than ticks."""
        user = system = 0.0
        tick = os.sysconf("SC_CLK_TCK")
        for pid in self.tree():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            user += int(fields[11]) / tick
            system += int(fields[12]) / tick
        return user, system

    def resident(self):
        """Proportional resident bytes of the tree: pages shared by workers count once."""
        total = 0
        for pid in self.tree():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(2)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def envoy_file(folder, port, origin, kind):
    """One bootstrap for Outrider and for Envoy."""
    address = lambda number: {"socket_address": {"address": "127.0.0.1", "port_value": number}}
    if kind == "tcp":
        network = {"name": "tcp", "typed_config": {"@type": TCP, "stat_prefix": "tcp", "cluster": "origin"}}
    else:
        network = {
            "name": "http",
            "typed_config": {
                "@type": HCM,
                "stat_prefix": "ingress",
                "route_config": {
                    "virtual_hosts": [
                        {"name": "all", "domains": ["*"],
                         "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}]}
                    ]
                },
                "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
            },
        }
    config = {
        "admin": {"address": address(free_port())},
        "static_resources": {
            "listeners": [{"name": "main", "address": address(port), "filter_chains": [{"filters": [network]}]}],
            "clusters": [{
                "name": "origin", "type": "STATIC", "connect_timeout": "2s",
                "load_assignment": {"cluster_name": "origin", "endpoints": [
                    {"lb_endpoints": [{"endpoint": {"address": address(origin)}}]}]},
            }],
        },
    }
    path = folder / f"envoy-{kind}-{port}.json"
    path.write_text(json.dumps(config))
    return path


def haproxy_file(folder, port, origin, kind):
    path = folder / f"haproxy-{kind}.cfg"
    path.write_text(f"""global
    nbthread 1
    maxconn 8192
defaults
    mode {"tcp" if kind == "tcp" else "http"}
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    {"" if kind == "tcp" else "http-reuse always"}
frontend main
    bind 127.0.0.1:{port}
    default_backend origin
backend origin
    server s1 127.0.0.1:{origin}
""")
    return path


def nginx_file(folder, port, origin, kind):
    path = folder / f"nginx-{kind}.conf"
    common = f"worker_processes 1;\npid {folder}/nginx-{kind}.pid;\nerror_log stderr warn;\ndaemon off;\n"
    common += "events { worker_connections 8192; }\n"
    path.write_text(common + f"""http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
""")
    return path


def origin_file(folder, port):
    path = folder / "origin.conf"
    (folder / "www").mkdir(exist_ok=True)
    (folder / "www" / "1k").write_bytes(b"x" * 1024)
    (folder / "www" / "1m").write_bytes(b"x" * (1 << 20))
    os.chmod(folder, 0o755)
    path.write_text(f"""worker_processes 1;
user root;
pid {folder}/origin.pid;
error_log stderr warn;
daemon off;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16;
    client_body_temp_path {folder}/obody; proxy_temp_path {folder}/oproxy; fastcgi_temp_path {folder}/of;
    uwsgi_temp_path {folder}/ou; scgi_temp_path {folder}/os;
    server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/www; }}
}}
""")
    return path


def commands(folder, origin, kind, builds):
    """name -> (command, port) for every peer that is installed, and for each build of Outrider (name -> binary)."""
    table = {}
    for name, outrider in builds.items():
        if not outrider:
            continue
        port = free_port()
        table[name] = ([outrider, "-c", envoy_file(folder, port, origin, kind), "--concurrency", "1", "-l", "error"], port)
    envoy = shutil.which("envoy") or pathlib.Path(sys.executable).with_name("envoy")
    if pathlib.Path(envoy).exists():
        port = free_port()
        table["envoy"] = ([envoy, "-c", envoy_file(folder, port, origin, kind), "--concurrency", "1", "-l", "error",
                           "--disable-hot-restart"], port)
    if shutil.which("haproxy"):
        port = free_port()
        table["haproxy"] = (["haproxy", "-f", haproxy_file(folder, port, origin, kind)], port)
    if shutil.which("nginx") and kind == "http":
        port = free_port()
        table["nginx"] = (["nginx", "-c", nginx_file(folder, port, origin, kind)], port)
    return {name: ([str(part) for part in command], port) for name, (command, port) in table.items()}
