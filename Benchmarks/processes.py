"""Child processes pinned to a core, and what their process trees used."""
import os
import pathlib
import socket
import subprocess
import time

PROXY_CORE, LOAD_CORE = 0, 1
# Seconds. Under a tool that counts instructions a start takes fifty times as long.
START_LIMIT = 90


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Process:
    """A command on one core; made when its port takes connections."""

    def __init__(self, name, command, port, core, log):
        self.name, self.port = name, port
        began = time.monotonic()
        with open(log, "wb") as out:
            self.child = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        while not is_listening(port):
            if self.child.poll() is not None or time.monotonic() - began > START_LIMIT:
                self.stop()
                raise SystemExit(f"{name} did not start:\n{pathlib.Path(log).read_text()[-2000:]}")
            time.sleep(0.0005)
        self.seconds_to_ready = time.monotonic() - began

    def tree(self):
        found, queue = [], [self.child.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                queue += [int(child) for child in task.read_text().split()]
        return found

    def cpu(self):
        """(user, system) seconds so far."""
        user = system = 0
        for pid in self.tree():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            user += int(fields[11])
            system += int(fields[12])
        tick = os.sysconf("SC_CLK_TCK")
        return user / tick, system / tick

    def resident(self):
        """Bytes, proportional: pages that workers share count once."""
        total = 0
        for pid in self.tree():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
        try:
            self.child.wait(2)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
