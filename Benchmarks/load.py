"""wrk: the load, and what it saw."""
import re
import subprocess

from processes import LOAD_CORE

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class Load:
    """What the clients do: a path, how many connections, whether each request has one of its own, an upload."""

    def __init__(self, path="/1k", connections=64, reconnect=False, upload=0):
        self.path, self.connections, self.reconnect, self.upload = path, connections, reconnect, upload

    def arguments(self, folder):
        if self.reconnect:
            return ["-H", "Connection: close"]
        if not self.upload:
            return []
        script = folder / "upload.lua"
        script.write_text(f'wrk.method = "POST"\nwrk.body = string.rep("x", {self.upload})\n')
        return ["-s", str(script)]


def run(load, port, seconds, folder, tls=False, connections=None):
    """{requests, errors, p50, p99 in ms} of one run."""
    text = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections or load.connections}", f"-d{seconds}s",
         "--latency", *load.arguments(folder), f"{'https' if tls else 'http'}://127.0.0.1:{port}{load.path}"],
        capture_output=True, text=True, timeout=seconds + 30, stdin=subprocess.DEVNULL).stdout
    errors = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    for found in re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text):
        errors += sum(map(int, found))
    seen = {"requests": int(re.search(r"(\d+) requests in", text)[1]), "errors": errors}
    for name, percent in (("p50", "50%"), ("p99", "99%")):
        value, unit = re.search(rf"^\s+{percent}\s+([\d.]+)(us|ms|s|m)$", text, re.M).groups()
        seen[name] = float(value) * UNITS[unit]
    return seen
