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
PROTOCOL_OPTIONS = API + "upstreams.http.v3.HttpProtocolOptions"
HERE = pathlib.Path(__file__).resolve().parent


class Task:
    """What a proxy has to do: `kind` is http or tcp; the TLS flags say on which side it speaks mutual TLS or TLS, the
    HTTP/2 flags on which side it speaks HTTP/2; `retries`: what the application refuses is tried again."""

    def __init__(self, kind="http", tls_in=False, mutual_in=False, tls_out=False, h2_in=False, h2_out=False, clusters=1,
                 retries=False):
        self.kind, self.tls_in, self.mutual_in, self.tls_out = kind, tls_in, mutual_in, tls_out
        self.h2_in, self.h2_out, self.clusters, self.retries = h2_in, h2_out, clusters, retries


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
        if name == "floor":
            return task.kind == "http" and not (
                task.tls_in or task.tls_out or task.h2_in or task.h2_out or task.retries or reconnect
            ) and task.clusters == 1
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
        alpn = lambda h2: ["h2", "http/1.1"] if h2 else []
        if task.kind == "tcp":
            network = {"name": "tcp", "typed_config": {"@type": TCP, "stat_prefix": "tcp", "cluster": "origin"}}
        else:
            routes = [{"match": {"prefix": f"/{name}/"}, "route": {"cluster": name}} for name in names[1:]]
            route = {"cluster": "origin"}
            if task.retries:
                # The others try again at once; this is as near to it as the field goes.
                route["retry_policy"] = {"retry_on": "5xx", "num_retries": 3, "retry_back_off": {
                    "base_interval": "0.001s", "max_interval": "0.001s"}}
            routes.append({"match": {"prefix": "/"}, "route": route})
            network = {"name": "http", "typed_config": {
                "@type": HCM, "stat_prefix": "ingress",
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
                "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}]}}
        chain = {"filters": [network]}
        if task.tls_in:
            chain["transport_socket"] = self.tls(
                DOWNSTREAM_TLS, "server", alpn(task.h2_in), task.mutual_in, task.mutual_in)
        cluster = {}
        if task.retries:
            cluster["circuit_breakers"] = {"thresholds": [{"max_retries": 1000}]}
        if task.tls_out:
            cluster["transport_socket"] = self.tls(UPSTREAM_TLS, "client", alpn(task.h2_out)[:1], True, False)
        if task.h2_out:
            cluster["typed_extension_protocol_options"] = {PROTOCOL_OPTIONS.rpartition("/")[2]: {
                "@type": PROTOCOL_OPTIONS, "explicit_http_config": {"http2_protocol_options": {}}}}
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

    def tls(self, kind, role, alpn, verify, require):
        common = {"alpn_protocols": alpn, "tls_certificates": [{
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
            bind = f"ssl crt {self.joined('server')} alpn {'h2,' if task.h2_in else ''}http/1.1"
            bind += f" ca-file {self.cert('ca.crt')} verify required" if task.mutual_in else ""
        elif task.h2_in:
            bind = "proto h2"
        if task.tls_out:
            server = f"ssl crt {self.joined('client')} ca-file {self.cert('ca.crt')} verify required"
            server += " alpn h2" if task.h2_out else ""
        elif task.h2_out:
            server = "proto h2"
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
    {"retry-on 503" if task.retries else ""}
frontend main
    bind 127.0.0.1:{port} {bind}
    default_backend origin
backend origin
    server s1 127.0.0.1:{origin} {server}
""")
        return path

    def nginx_file(self, port, origin, task):
        inbound, outbound, listen = "", "", f"listen 127.0.0.1:{port} backlog=4096"
        listen += " http2" if task.h2_in else ""
        if task.tls_in:
            listen += " ssl"
            inbound = f"ssl_certificate {self.cert('server.crt')}; ssl_certificate_key {self.cert('server.key')};"
            # Old versions leave TLS 1.3 out by default; everyone else uses it.
            inbound += " ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:4m;"
        if task.mutual_in:
            inbound += f" ssl_client_certificate {self.cert('ca.crt')}; ssl_verify_client on;"
        if task.tls_out:
            outbound = (f"ssl_certificate {self.cert('client.crt')}; ssl_certificate_key {self.cert('client.key')}; "
                        f"ssl_trusted_certificate {self.cert('ca.crt')}; ssl_verify on; ssl_name localhost; ")
        if task.retries:
            outbound += "next_upstream error timeout http_503 non_idempotent; next_upstream_tries 4; "
        # Its only way to speak HTTP/2 to an application is as to a gRPC server.
        module = "grpc" if task.h2_out else "proxy"
        outbound = "".join(f"{module}_{directive}; " for directive in outbound.split("; ") if directive)
        if task.h2_out:
            outbound += f"grpc_pass {'grpcs' if task.tls_out else 'grpc'}://origin;"
        else:
            outbound += (f"proxy_pass {'https' if task.tls_out else 'http'}://origin; proxy_http_version 1.1; "
                         'proxy_set_header Connection ""; proxy_request_buffering off;')
        # A server that fails is tried again only when it stands there more than once.
        servers = f"server 127.0.0.1:{origin} max_fails=0;" * (4 if task.retries else 1)
        return self.nginx(f"""
    upstream origin {{ {servers} keepalive 256; keepalive_requests 100000000; }}
    server {{
        {listen};
        {inbound}
        location / {{ client_max_body_size 0; {outbound} }}
    }}""")

    def origin(self, port, h2_port):
        """The application: static files of several sizes, a place that takes uploads, one that refuses a tenth of the
        requests, and one that answers as a gRPC server does. The same by HTTP/1 and by HTTP/2."""
        pages = self.folder / "www"
        pages.mkdir(exist_ok=True)
        (pages / "1k").write_bytes(b"x" * 1024)
        (pages / "1m").write_bytes(b"x" * (1 << 20))
        return ["nginx", "-c", self.nginx(f"""
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16;
    split_clients $request_id $refused {{ 10% 1; * 0; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        listen 127.0.0.1:{h2_port} http2 backlog=4096;
        root {pages};
        location /flaky {{ if ($refused) {{ return 503; }} try_files /1k =404; }}
        location /bench.Service/Call {{
            default_type application/grpc; add_trailer grpc-status 0 always; return 200 "{'x' * 128}";
        }}
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
