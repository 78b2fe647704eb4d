"""The same work through Outrider, Envoy, HAProxy and nginx, side by side.

The proxy has one core to itself; the application (nginx) and the load (wrk, h2load) share the other. Rounds are interleaved, so
that drift of the machine hits all alike; medians over the rounds are shown. Trust the ratios, not the absolute figures.
"""
import argparse
import pathlib
import platform
import re
import subprocess
import tempfile

import load
import report
import resources
from load import Load
from peers import Task, Workshop
from processes import LOAD_CORE, PROXY_CORE, Process, free_port

H2 = dict(connections=16, streams=4)
CALL = dict(path="/bench.Service/Call", upload=128, grpc=True, **H2)

# Name -> (what a proxy does, what the clients do). Two tasks: two proxies, the clients' first.
SCENARIOS = {
    "keep-alive-1k": ([Task()], Load()),
    "new-connection-1k": ([Task()], Load(connections=32, reconnect=True)),
    "body-1m": ([Task()], Load("/1m", 16)),
    "upload-16k": ([Task()], Load("/upload", 32, upload=16384)),
    "tls-keep-alive-1k": ([Task(tls_in=True)], Load()),
    "tls-new-connection-1k": ([Task(tls_in=True)], Load(connections=32, reconnect=True)),
    "tls-resumed-1k": ([Task(tls_in=True)], Load(connections=1, reconnect=True, resume=True)),
    "tls-body-1m": ([Task(tls_in=True)], Load("/1m", 16)),
    "h2-to-h1-1k": ([Task(h2_in=True)], Load(**H2)),
    "h2-to-h2-1k": ([Task(h2_in=True, h2_out=True)], Load(**H2)),
    "tls-h2-1k": ([Task(h2_in=True, tls_in=True)], Load(**H2)),
    "h2-body-1m": ([Task(h2_in=True)], Load("/1m", connections=4, streams=4)),
    "tcp-1k": ([Task("tcp")], Load()),
    "tcp-1m": ([Task("tcp")], Load("/1m", 16)),
    "routes-1000": ([Task(clusters=1000)], Load()),
    "mesh-1k": ([Task(tls_out=True), Task(tls_in=True, mutual_in=True)], Load()),
    "mesh-1m": ([Task(tls_out=True), Task(tls_in=True, mutual_in=True)], Load("/1m", 16)),
    "mesh-h2-1k": ([Task(tls_out=True, h2_out=True), Task(tls_in=True, mutual_in=True, h2_in=True)], Load()),
    "mesh-grpc": ([Task(h2_in=True, tls_out=True, h2_out=True),
                   Task(tls_in=True, mutual_in=True, h2_in=True, h2_out=True)], Load(**CALL)),
    "steady-1k": ([Task()], Load(connections=32, rate=2000)),
    "steady-retries": ([Task(retries=True)], Load("/flaky", connections=32, rate=2000)),
}


class Proxy:
    """One proxy at one task, or a pair of them, the clients' first. `origins`: the ports by HTTP/1 and by HTTP/2."""

    def __init__(self, workshop, name, tasks, origins):
        self.parts = []
        self.tls = tasks[0].tls_in
        origin = origins[tasks[-1].h2_out]
        try:
            for task in reversed(tasks):
                command, port = workshop.command(name, task, origin)
                self.parts.append(Process(name, command, port, PROXY_CORE, workshop.folder / f"{name}.log"))
                origin = port
        except BaseException:
            self.stop()
            raise
        self.port = origin

    def cpu(self):
        return [sum(part) for part in zip(*(process.cpu() for process in self.parts))]

    def resident(self):
        return sum(process.resident() for process in self.parts)

    def stop(self):
        for process in self.parts:
            process.stop()

    def measure(self, clients, seconds, folder):
        before = self.cpu()
        seen = load.run(clients, self.port, seconds, folder, self.tls)
        after = self.cpu()
        requests = max(seen["requests"], 1)
        user, system = ((after[side] - before[side]) / requests * 1e6 for side in (0, 1))
        return {**seen, "user": user, "system": system, "cpu": user + system, "rate": requests / seconds,
                "resident": self.resident() / 2**20}


def run_scenario(workshop, names, title, origins, seconds, rounds):
    """proxy -> runs."""
    tasks, clients = SCENARIOS[title]
    able = [name for name in names if all(workshop.can(name, task, clients.reconnect) for task in tasks)]
    running, rows = {}, {}
    try:
        for name in able:
            running[name] = Proxy(workshop, name, tasks, origins)
        for proxy in running.values():
            load.run(clients, proxy.port, 1, workshop.folder, proxy.tls, connections=8)
        for _ in range(rounds):
            for name, proxy in running.items():
                rows.setdefault(name, []).append(proxy.measure(clients, seconds, workshop.folder))
    finally:
        for proxy in running.values():
            proxy.stop()
    return rows


def versions(workshop):
    """The machine and what was compared, as one line."""
    def first(command, pattern):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
        except OSError:
            return None
        found = re.search(pattern, done.stdout + done.stderr)
        return found[1] if found else None
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    said = {"Envoy": first([workshop.envoy or "envoy", "--version"], r"/(\d+\.\d+\.\d+)/"),
            "HAProxy": first(["haproxy", "-v"], r"version (\S+)"), "nginx": first(["nginx", "-v"], r"nginx/(\S+)")}
    control = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return ", ".join([model[1] if model else platform.machine(), f"Linux {platform.release()} with {control}"]
                     + [f"{name} {version}" for name, version in said.items() if version])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", help="the binary (release build)")
    parser.add_argument("--beside", action="append", default=[], metavar="NAME=BINARY", help="another build of it")
    parser.add_argument("--seconds", type=int, default=5, help="of load in each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenario", action="append", choices=[*SCENARIOS, "resources"], help="default: all")
    parser.add_argument("--only", action="append", help="only these proxies")
    parser.add_argument("--results", type=pathlib.Path, help="a folder to write tables and plots into")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="outrider-bench-") as folder:
        builds = {"outrider": arguments.outrider} if arguments.outrider else {}
        workshop = Workshop(folder, {**builds, **dict(build.split("=", 1) for build in arguments.beside)})
        names = [name for name in workshop.proxies() if not arguments.only or name in arguments.only]
        port, h2_port = free_port(), free_port()
        origin = Process("origin", workshop.origin(port, h2_port), port, LOAD_CORE, workshop.folder / "origin.log")
        about = versions(workshop)
        page = [f"# Side by side\n\n{about}. {arguments.rounds} rounds of {arguments.seconds} s; one core for the proxy, "
                "another for load and application. Made by `Benchmarks/compare`.\n"]
        print(about, flush=True)
        try:
            for title in arguments.scenario or [*SCENARIOS, "resources"]:
                if title == "resources":
                    table = resources.measure(workshop, [name for name in names if name != "floor"], port)
                else:
                    rows = run_scenario(workshop, names, title, (port, h2_port), arguments.seconds, arguments.rounds)
                    table = report.load_table(rows)
                print(f"\n### {title}\n\n{table}", flush=True)
                page.append(f"## {title}\n\n{table}\n")
                if arguments.results and title != "resources":
                    arguments.results.mkdir(parents=True, exist_ok=True)
                    cost = {name: [report.middle(runs, side) for side in ("user", "system")]
                            for name, runs in rows.items()}
                    (arguments.results / f"{title}.svg").write_text(report.bars(title, cost))
                    page.append(f"![{title}]({title}.svg)\n")
        finally:
            origin.stop()
        if arguments.results:
            (arguments.results / "README.md").write_text("\n".join(page))


if __name__ == "__main__":
    main()
