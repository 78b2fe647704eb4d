"""What a proxy costs when it does nothing: memory at start, per idle connection and per cluster; time until it serves."""
import socket
import ssl
import statistics
import time

import report
from peers import Task
from processes import PROXY_CORE, Process

IDLE = 1000
FEW, CLUSTERS = 10, 1000
REQUEST = b"GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Preface and empty SETTINGS; then HEADERS that end stream 1: GET, http, /1k, localhost (RFC 7541, section 6).
FIELDS = b"\x82\x86\x04\x03/1k\x01\x09localhost"
H2_REQUEST = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04\x00" + bytes(4)
              + len(FIELDS).to_bytes(3, "big") + b"\x01\x05\x00\x00\x00\x01" + FIELDS)


def connect(port, context):
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(plain, server_hostname="localhost") if context else plain


def ask_h1(connection):
    """One request, so that the connection is an idle keep-alive one and not a fresh one."""
    connection.sendall(REQUEST)
    seen = b""
    while len(seen.partition(b"\r\n\r\n")[2]) < 1024:
        part = connection.recv(65536)
        if not part:
            raise SystemExit("a proxy closed a connection that was to stay idle")
        seen += part


def ask_h2(connection):
    """The same by HTTP/2: reads frames up to the end of stream 1."""
    connection.sendall(H2_REQUEST)
    stream = connection.makefile("rb")
    while True:
        head = stream.read(9)
        if len(head) < 9:
            raise SystemExit("a proxy closed a connection that was to stay idle")
        stream.read(int.from_bytes(head[:3], "big"))
        if head[3] in (0, 1) and head[4] & 1:
            return


def per_idle_connection(workshop, name, origin, task):
    """Bytes that each idle connection adds."""
    proxy = Process(name, *workshop.command(name, task, origin), PROXY_CORE, workshop.folder / f"{name}.log")
    ask = ask_h2 if task.h2_in else ask_h1
    context = None
    if task.tls_in:
        context = ssl.create_default_context(cafile=workshop.cert("ca.crt"))
    try:
        # The first few make what the proxy keeps anyway: pools, caches, upstream connections.
        warm = [connect(proxy.port, context) for _ in range(64)]
        for connection in warm:
            ask(connection)
        time.sleep(0.5)
        before = proxy.resident()
        idle = []
        for _ in range(IDLE):
            idle.append(connect(proxy.port, context))
            ask(idle[-1])
        time.sleep(0.5)
        grown = proxy.resident() - before
        for connection in warm + idle:
            connection.close()
        return grown / IDLE
    finally:
        proxy.stop()


def start(workshop, name, origin, clusters):
    """(seconds until it takes connections, resident bytes then): medians of three starts."""
    task = Task(clusters=clusters)
    if not workshop.can(name, task):
        return None
    seconds, resident = [], []
    for _ in range(3):
        proxy = Process(name, *workshop.command(name, task, origin), PROXY_CORE, workshop.folder / f"{name}.log")
        time.sleep(1)
        seconds.append(proxy.seconds_to_ready)
        resident.append(proxy.resident())
        proxy.stop()
    return statistics.median(seconds), statistics.median(resident)


def measure(workshop, names, origin):
    """A table as Markdown."""
    columns = ["resident at start, MiB", "ready after, ms", f"ready with {FEW} clusters, ms",
               f"ready with {CLUSTERS} clusters, ms", "per cluster, KiB",
               "per idle connection, KiB", "per idle TLS connection, KiB", "per idle HTTP/2 connection, KiB"]
    rows = {}
    for name in names:
        small, few, large = (start(workshop, name, origin, clusters) for clusters in (1, FEW, CLUSTERS))
        cells = {columns[0]: f"{small[1] / 2**20:.1f}", columns[1]: f"{small[0] * 1e3:.0f}"}
        if few and large:
            cells[columns[2]] = f"{few[0] * 1e3:.0f}"
            cells[columns[3]] = f"{large[0] * 1e3:.0f}"
            cells[columns[4]] = f"{(large[1] - small[1]) / (CLUSTERS - 1) / 1024:.1f}"
        for column, task in zip(columns[5:], (Task(), Task(tls_in=True), Task(h2_in=True))):
            cells[column] = f"{per_idle_connection(workshop, name, origin, task) / 1024:.1f}"
        rows[name] = cells
    return report.resource_table(columns, rows)
