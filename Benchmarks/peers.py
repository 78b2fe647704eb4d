"""How each proxy is configured for the same work. Outrider and Envoy get the very same file."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

from processes import free_port

API = "type.googleapis.com/envoy.extensions."
HCM = API + "filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = API + "filters.http.router.v3.Router"
TCP = API + "filters.network.tcp_proxy.v3.TcpProxy"
DOWNSTREAM_TLS = API + "transport_sockets.tls.v3.DownstreamTlsContext"
UPSTREAM_TLS = API + "transport_sockets.tls.v3.UpstreamTlsContext"
HERE = pathlib.Path(__file__).resolve().parent


class Task:
    """What a proxy has to do: `kind` is http or tcp; the TLS flags say on which side it speaks mutual TLS or TLS."""

    def __init__(self, kind="http", tls_in=False, mutual_in=False, tls_out=False, clusters=1):
        self.kind, self.tls_in, self.mutual_in = kind, tls_in, mutual_in
        self.tls_out, self.clusters = tls_out, clusters


class Workshop:
    """A folder with certificates, and the files of every proxy that is set up in it."""

    def __init__(self, folder, builds):
        self.folder, self.builds = pathlib.Path(folder), builds
        os.chmod(folder, 0o755)
        make = HERE.parent / "certs" / "make"
        subprocess.run([make, "--out", self.folder / "certs"], check=True, capture_output=True, stdin=subprocess.DEVNULL)
        self.number = 0

    def path(self, name):
        self.number += 1
        return self.folder / f"{self.number}-{name}"

    def cert(self, name):
        return str(self.folder / "certs" / name)

    def proxies(self):
        """The names of all that are there."""
        there = list(self.builds)
        if self.envoy:
            there.append("envoy")
        return there + [name for name in ("haproxy", "nginx", "floor") if shutil.which(name) or name == "floor"]

    @property
    def envoy(self):
        beside = pathlib.Path(sys.executable).with_name("envoy")
        return shutil.which("envoy") or (beside if beside.exists() else None)

    def can(self, name, task, reconnect=False):
        """Whether the proxy does this task. The floor only passes on plain keep-alive requests."""
        if name in self.builds or name == "envoy":
            return True
        if task == "mesh":
            return name != "floor"
        if name == "floor":
            return task.kind == "http" and not (task.tls_in or task.tls_out or reconnect) and task.clusters == 1
        return task.clusters == 1 and (task.kind == "http" or name == "haproxy")

    def command(self, name, task, origin):
        """(command, port) for a task that the proxy can do."""
        port = free_port()
        if name in self.builds:
            return [self.builds[name], "-c", self.envoy_file(port, origin, task), "--concurrency", "1", "-l", "error"], port
        if name == "envoy":
            return [self.envoy, "-c", self.envoy_file(port, origin, task), "--concurrency", "1", "-l", "error",
                    "--disable-hot-restart"], port
        if name == "haproxy":
            return ["haproxy", "-f", self.haproxy_file(port, origin, task)], port
        if name == "nginx":
            return ["nginx", "-c", self.nginx_file(port, origin, task)], port
        return [self.floor(), str(port), str(origin)], port

    def floor(self):
        binary = self.folder / "floor"
        if not binary.exists():
            compiler = shutil.which("clang") or shutil.which("gcc") or "cc"
            subprocess.run([compiler, "-O2", "-o", binary, HERE / "floor.c"], check=True)
        return binary

    # MARK: Files

    def envoy_file(self, port, origin, task):
        address = lambda number: {"socket_address": {"address": "127.0.0.1", "port_value": number}}
        names = ["origin"] + [f"other-{number}" for number in range(1, task.clusters)]
        if task.kind == "tcp":
            network = {"name": "tcp", "typed_config": {"@type": TCP, "stat_prefix": "tcp", "cluster": "origin"}}
        else:
            routes = [{"match": {"prefix": f"/{name}/"}, "route": {"cluster": name}} for name in names[1:]]
            routes.append({"match": {"prefix": "/"}, "route": {"cluster": "origin"}})
            network = {"name": "http", "typed_config": {
                "@type": HCM, "stat_prefix": "ingress",
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
                "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}]}}
        chain = {"filters": [network]}
        if task.tls_in:
            chain["transport_socket"] = self.tls(DOWNSTREAM_TLS, "server", task.mutual_in, task.mutual_in)
        cluster = {}
        if task.tls_out:
            cluster["transport_socket"] = self.tls(UPSTREAM_TLS, "client", True, False)
        path = self.path("envoy.json")
        path.write_text(json.dumps({
            "admin": {"address": address(free_port())},
            "static_resources": {
                "listeners": [{"name": "main", "address": address(port), "filter_chains": [chain]}],
                "clusters": [{
                    "name": name, "type": "STATIC", "connect_timeout": "2s", **cluster,
                    "load_assignment": {"cluster_name": name, "endpoints": [
                        {"lb_endpoints": [{"endpoint": {"address": address(origin)}}]}]},
                } for name in names],
            }}))
        return path

    def tls(self, kind, role, verify, require):
        common = {"tls_certificates": [{
            "certificate_chain": {"filename": self.cert(f"{role}.crt")},
            "private_key": {"filename": self.cert(f"{role}.key")}}]}
        if verify:
            common["validation_context"] = {"trusted_ca": {"filename": self.cert("ca.crt")}}
        typed = {"@type": kind, "common_tls_context": common}
        if require:
            typed["require_client_certificate"] = True
        return {"name": "envoy.transport_sockets.tls", "typed_config": typed}

    def joined(self, role):
        """Certificate and key in one file, as HAProxy wants them."""
        path = self.folder / f"{role}-joined.pem"
        path.write_text("".join(pathlib.Path(self.cert(f"{role}.{end}")).read_text() for end in ("crt", "key")))
        return path

    def haproxy_file(self, port, origin, task):
        bind = server = ""
        if task.tls_in:
            bind = f"ssl crt {self.joined('server')}"
            bind += f" ca-file {self.cert('ca.crt')} verify required" if task.mutual_in else ""
        if task.tls_out:
            server = f"ssl crt {self.joined('client')} ca-file {self.cert('ca.crt')} verify required"
        path = self.path("haproxy.cfg")
        path.write_text(f"""global
    nbthread 1
    maxconn 8192
    tune.ssl.default-dh-param 2048
defaults
    mode {task.kind}
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    {"http-reuse always" if task.kind == "http" else ""}
frontend main
    bind 127.0.0.1:{port} {bind}
    default_backend origin
backend origin
    server s1 127.0.0.1:{origin} {server}
""")
        return path

    def nginx_file(self, port, origin, task):
        inbound, outbound, listen = "", "", f"listen 127.0.0.1:{port} backlog=4096"
        if task.tls_in:
            listen += " ssl"
            inbound = f"ssl_certificate {self.cert('server.crt')}; ssl_certificate_key {self.cert('server.key')};"
            # Old versions leave TLS 1.3 out by default; everyone else uses it.
            inbound += " ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:4m;"
        if task.mutual_in:
            inbound += f" ssl_client_certificate {self.cert('ca.crt')}; ssl_verify_client on;"
        if task.tls_out:
            outbound = (f"proxy_ssl_certificate {self.cert('client.crt')}; proxy_ssl_certificate_key "
                        f"{self.cert('client.key')}; proxy_ssl_trusted_certificate {self.cert('ca.crt')}; "
                        "proxy_ssl_verify on; proxy_ssl_name localhost;")
        return self.nginx(f"""
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 100000000; }}
    server {{
        {listen};
        {inbound}
        location / {{
            proxy_pass {"https" if task.tls_out else "http"}://origin;
            proxy_http_version 1.1; proxy_set_header Connection "";
            client_max_body_size 0; proxy_request_buffering off; {outbound}
        }}
    }}""")

    def origin(self, port):
        """The application: static files of several sizes, and a place that takes uploads."""
        pages = self.folder / "www"
        pages.mkdir(exist_ok=True)
        (pages / "1k").write_bytes(b"x" * 1024)
        (pages / "1m").write_bytes(b"x" * (1 << 20))
        return ["nginx", "-c", self.nginx(f"""
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {pages};
        location /upload {{ client_max_body_size 0; client_body_buffer_size 64k; return 200 "thanks"; }}
    }}""")]

    def nginx(self, body):
        path = self.path("nginx.conf")
        scratch = path.with_suffix(".d")
        scratch.mkdir()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {scratch}/{kind};" for kind in kinds)
        path.write_text(f"""worker_processes 1;
user root;
pid {scratch}/pid;
error_log stderr crit;
daemon off;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    {temporary}
{body}
}}
""")
        return path
