"""Runs the same load through Outrider, Envoy, HAProxy and nginx and prints what each request cost.

The proxy has one core to itself; the origin (nginx) and the load (wrk) share the other. Rounds are interleaved, so that
drift of the machine hits all alike; medians over the rounds are shown. Trust the ratios, not the absolute figures.
"""
import argparse
import pathlib
import re
import statistics
import subprocess
import tempfile

from peers import Process, commands, free_port, origin_file

SCENARIOS = {
    # name: (kind, path, connections, extra wrk arguments)
    "keep-alive-1k": ("http", "/1k", 64, []),
    "new-connection-1k": ("http", "/1k", 32, ["-H", "Connection: close"]),
    "body-1m": ("http", "/1m", 16, []),
    "tcp-1k": ("tcp", "/1k", 64, []),
    "tcp-1m": ("tcp", "/1m", 16, []),
}
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def wrk(port, path, connections, seconds, extra):
    text = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *extra,
         f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, timeout=seconds + 30, stdin=subprocess.DEVNULL).stdout
    requests = int(re.search(r"(\d+) requests in", text)[1])
    errors = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    for found in re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text):
        errors += sum(map(int, found))
    latency = {}
    for percent in ("50%", "99%"):
        value, unit = re.search(rf"^\s+{percent}\s+([\d.]+)(us|ms|s|m)$", text, re.M).groups()
        latency[percent] = float(value) * UNITS[unit]
    return requests, errors, latency


def measure(proxy, scenario, seconds):
    _, path, connections, extra = scenario
    before = proxy.cpu()
    requests, errors, latency = wrk(proxy.port, path, connections, seconds, extra)
    after = proxy.cpu()
    micros = lambda index: (after[index] - before[index]) / max(requests, 1) * 1e6
    return {
        "user": micros(0), "system": micros(1), "cpu": micros(0) + micros(1), "rate": requests / seconds,
        "p50": latency["50%"], "p99": latency["99%"], "errors": errors, "resident": proxy.resident() / 2**20,
    }


def table(rows, baseline):
    lines = ["| proxy | CPU us/request (user + system) | vs Envoy | requests/s | p50 ms | p99 ms | resident MiB | errors |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name, runs in rows.items():
        middle = lambda key: statistics.median(run[key] for run in runs)
        ratio = f"{middle('cpu') / baseline:.2f}" if baseline else "-"
        lines.append(
            f"| {name} | {middle('cpu'):.1f} ({middle('user'):.1f} + {middle('system'):.1f}) | {ratio} "
            f"| {middle('rate'):.0f} | {middle('p50'):.2f} | {middle('p99'):.2f} | {middle('resident'):.1f} "
            f"| {sum(run['errors'] for run in runs)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", help="the binary (release build)")
    parser.add_argument("--beside", action="append", default=[], metavar="NAME=BINARY", help="another build of it")
    parser.add_argument("--seconds", type=int, default=5, help="of load in each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="default: all")
    parser.add_argument("--only", action="append", help="only these proxies")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="outrider-bench-") as name:
        folder = pathlib.Path(name)
        port = free_port()
        origin = Process("origin", ["nginx", "-c", str(origin_file(folder, port))], port, 1, folder / "origin.log")
        try:
            for title in arguments.scenario or SCENARIOS:
                scenario = SCENARIOS[title]
                rows, running = {}, {}
                builds = {"outrider": arguments.outrider, **dict(build.split("=", 1) for build in arguments.beside)}
                peers = commands(folder, port, scenario[0], builds)
                try:
                    for peer, (command, own_port) in peers.items():
                        if not arguments.only or peer in arguments.only:
                            running[peer] = Process(peer, command, own_port, 0, folder / f"{peer}.log")
                    for proxy in running.values():
                        wrk(proxy.port, scenario[1], 8, 1, [])  # warm up
                    for _ in range(arguments.rounds):
                        for peer, proxy in running.items():
                            rows.setdefault(peer, []).append(measure(proxy, scenario, arguments.seconds))
                finally:
                    for proxy in running.values():
                        proxy.stop()
                baseline = statistics.median(run["cpu"] for run in rows["envoy"]) if "envoy" in rows else None
                print(f"\n### {title}\n\n{table(rows, baseline)}", flush=True)
        finally:
            origin.stop()


if __name__ == "__main__":
    main()
