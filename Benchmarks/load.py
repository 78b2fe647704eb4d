"""The load, and what it saw: wrk for HTTP/1, h2load for HTTP/2 and for a fixed rate, resume.py for resumed handshakes."""
import json
import pathlib
import re
import subprocess
import sys

from processes import LOAD_CORE

# One line for wrk to say what its own report leaves out.
REPORT = """
done = function(summary, latency, requests)
    for _, percent in ipairs({50, 99, 99.9}) do
        io.write(string.format("p%g %d us\\n", percent, latency:percentile(percent)))
    end
end
"""
PERCENTILES = ("p50", "p99", "p99.9")


class Load:
    """What the clients do: a path, over how many connections, and how.

    `reconnect`: each request has a connection of its own; `resume`: and the TLS session of the one before; `upload`: bytes
    of body; `streams`: HTTP/2, so many at once on each connection; `grpc`: as a gRPC call; `rate`: requests a second in
    all, instead of as fast as they go.
    """

    def __init__(self, path="/1k", connections=64, reconnect=False, resume=False, upload=0, streams=0, grpc=False, rate=0):
        self.path, self.connections, self.reconnect, self.resume = path, connections, reconnect, resume
        self.upload, self.streams, self.grpc, self.rate = upload, streams, grpc, rate

    def body(self, folder):
        path = folder / f"body-{self.upload}"
        path.write_bytes(b"x" * self.upload)
        return path


def run(load, port, seconds, folder, tls=False, connections=None):
    """{requests, errors, p50, p99, p99.9 in ms} of one run."""
    address = f"{'https' if tls else 'http'}://127.0.0.1:{port}{load.path}"
    connections = min(connections or load.connections, load.connections)
    if load.resume:
        return resume(load, port, seconds, folder)
    if load.streams or load.rate:
        return h2load(load, address, seconds, folder, connections)
    return wrk(load, address, seconds, folder, connections)


def tool(command, seconds):
    done = subprocess.run(["taskset", "-c", str(LOAD_CORE), *map(str, command)],
                          capture_output=True, text=True, timeout=seconds + 30, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def wrk(load, address, seconds, folder, connections):
    script = folder / f"wrk-{load.upload}.lua"
    upload = f'wrk.method = "POST"\nwrk.body = string.rep("x", {load.upload})\n' if load.upload else ""
    script.write_text(upload + REPORT)
    text = tool(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script,
                 *(["-H", "Connection: close"] if load.reconnect else []), address], seconds)
    errors = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    for found in re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text):
        errors += sum(map(int, found))
    seen = {"requests": int(re.search(r"(\d+) requests in", text)[1]), "errors": errors}
    for name in PERCENTILES:
        seen[name] = int(re.search(rf"^{re.escape(name)} (\d+) us$", text, re.M)[1]) / 1e3
    return seen


def h2load(load, address, seconds, folder, connections):
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    command = ["h2load", "-t1", f"-c{connections}", f"-D{seconds}", f"--log-file={log}"]
    command += [f"-m{load.streams}"] if load.streams else ["--h1"]
    if load.rate:
        command.append(f"--rps={load.rate / connections:g}")
    if load.upload:
        command += ["-d", load.body(folder)]
    if load.grpc:
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    text = tool([*command, address], seconds)
    found = re.search(r"requests: .* (\d+) done, (\d+) succeeded, (\d+) failed", text)
    if not found:
        raise SystemExit(f"h2load said:\n{text[-2000:]}")
    times = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))] / 1e3 if times else 0.0
    return {"requests": int(found[1]), "errors": int(found[3]), "p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999)}


def resume(load, port, seconds, folder):
    client = pathlib.Path(__file__).with_name("resume.py")
    return json.loads(tool([sys.executable, client, port, load.path, seconds, folder / "certs" / "ca.crt"], seconds))
