"""Work for an Outrider that counts how often each block of its code runs: every scenario of compare.py, shortly.
scripts/profile turns the counts into scripts/lib/hot.profdata."""
import argparse
import signal
import tempfile

import load
from compare import SCENARIOS, Proxy
from peers import Workshop
from processes import LOAD_CORE, Process, free_port


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outrider", required=True, help="the binary, built to count")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outrider-train-") as folder:
        workshop = Workshop(folder, {"outrider": arguments.outrider})
        ports = free_port(), free_port()
        origin = Process("origin", workshop.origin(*ports), ports[0], LOAD_CORE, workshop.folder / "origin.log")
        try:
            for title, (tasks, clients) in SCENARIOS.items():
                proxy = Proxy(workshop, "outrider", tasks, ports)
                try:
                    seen = load.run(clients, proxy.port, 1, workshop.folder, proxy.tls)
                    print(title, seen["requests"], flush=True)
                finally:
                    # The counts are written at a regular end.
                    for part in proxy.parts:
                        part.child.send_signal(signal.SIGINT)
                        part.child.wait(30)
        finally:
            origin.stop()


if __name__ == "__main__":
    main()
