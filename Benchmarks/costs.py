"""What a request costs in counts, which do not depend on how busy the machine is: system calls (strace), instructions and
heap allocations (callgrind). Tests/Integration/test_costs.py holds them to costs.json."""
import argparse
import collections
import json
import re
import signal
import subprocess
import tempfile

from peers import Task, Workshop
from processes import LOAD_CORE, PROXY_CORE, Process, free_port

WARM, COUNTED = 800, 4000
ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}

# Name -> (what the proxy does, whether the clients speak HTTP/2, whether the application does).
SCENARIOS = {
    "h1-to-h1": Task(),
    "tls-h1-to-h1": Task(tls_in=True),
    "h2-to-h1": Task(h2_in=True),
    "h1-to-h2": Task(h2_out=True),
    "h2-to-h2": Task(h2_in=True, h2_out=True),
    "tcp": Task("tcp"),
}


class Bench:
    """An application, and Outrider in front of it under a tool that counts."""

    def __init__(self, folder, outrider):
        self.workshop = Workshop(folder, {"outrider": outrider})
        self.folder = self.workshop.folder
        ports = free_port(), free_port()
        self.origins = ports
        self.application = Process("origin", self.workshop.origin(*ports), ports[0], LOAD_CORE, self.folder / "origin.log")

    def start(self, task, prefix=()):
        command, port = self.workshop.command("outrider", task, self.origins[task.h2_out])
        return Process("outrider", [*prefix, *command], port, PROXY_CORE, self.folder / "outrider.log")

    def load(self, task, port, requests, connections):
        """Exactly so many requests, all of them answered with 200."""
        version = ["-m4"] if task.h2_in else ["--h1"]
        address = f"{'https' if task.tls_in else 'http'}://127.0.0.1:{port}/1k"
        done = subprocess.run(["taskset", "-c", str(LOAD_CORE), "h2load", "-t1", *version, f"-n{requests}", f"-c{connections}",
                               address], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        if f" {requests} succeeded" not in done.stdout:
            raise RuntimeError(f"not every request was answered:\n{done.stdout}{done.stderr}")

    def system_calls(self, task):
        """name -> calls a request, at 64 requests under way."""
        proxy = self.start(task)
        try:
            connections = 16 if task.h2_in else 64
            self.load(task, proxy.port, WARM, connections)
            out = self.folder / "strace.txt"
            tracer = subprocess.Popen(["strace", "-f", "-c", "-U", "name,calls", "-o", out, "-p", str(proxy.child.pid)],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            # "attached", once for all threads.
            tracer.stdout.readline()
            requests = 5 * COUNTED
            self.load(task, proxy.port, requests, connections)
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=20)
            lines = re.findall(r"^\s*(\w+)\s+(\d+)$", out.read_text(), re.M)
            return {name: int(calls) / requests for name, calls in lines if name != "total"}
        finally:
            proxy.stop()

    def instructions(self, task):
        """(instructions, heap allocations) a request: the difference between a long and a short run, so that the start
        and the connections are not in it."""
        short, long = (self.callgrind(task, requests) for requests in (WARM, WARM + COUNTED))
        return tuple((after - before) / COUNTED for before, after in zip(short, long))

    def callgrind(self, task, requests):
        out = self.folder / "callgrind.out"
        proxy = self.start(task, ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
        try:
            self.load(task, proxy.port, requests, 4)
        finally:
            proxy.child.send_signal(signal.SIGINT)
            try:
                proxy.child.wait(60)
            finally:
                proxy.stop()
        return totals(out.read_text())

    def close(self):
        self.application.stop()


def totals(profile):
    """(instructions, calls of an allocator) in a callgrind profile."""
    names, callee, allocations = {}, None, 0
    for line in profile.splitlines():
        if found := re.match(r"c?fn=\((\d+)\)(?: (.*))?$", line):
            if found[2]:
                names[found[1]] = re.sub(r"'\d+$", "", found[2])
            if line.startswith("cfn="):
                callee = names[found[1]]
        elif callee and line.startswith("calls="):
            allocations += int(line[6:].split()[0]) if callee in ALLOCATORS else 0
            callee = None
    return int(re.search(r"^(?:summary|totals): (\d+)", profile, re.M)[1]), allocations


def measure(outrider, name):
    """The counts of one scenario."""
    task = SCENARIOS[name]
    with tempfile.TemporaryDirectory(prefix="outrider-costs-") as folder:
        bench = Bench(folder, outrider)
        try:
            instructions, allocations = bench.instructions(task)
            calls = collections.Counter(bench.system_calls(task))
        finally:
            bench.close()
    waits = calls.pop("epoll_wait", 0) + calls.pop("epoll_pwait", 0) + calls.pop("epoll_pwait2", 0)
    return {"instructions": round(instructions), "allocations": round(allocations, 2), "waits": round(waits, 2),
            "other system calls": round(sum(calls.values()), 2), "calls": {k: round(v, 3) for k, v in calls.items() if v > 0.005}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", required=True, help="the binary (release build)")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="default: all")
    arguments = parser.parse_args()
    for name in arguments.scenario or SCENARIOS:
        print(name, json.dumps(measure(arguments.outrider, name)), flush=True)


if __name__ == "__main__":
    main()
