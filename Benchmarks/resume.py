"""One client that makes a connection for each request and resumes its TLS session: resume.py PORT PATH SECONDS CA."""
import json
import socket
import ssl
import sys
import time


def main():
    port, path, seconds, authority = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
    context = ssl.create_default_context(cafile=authority)
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    session, times, errors = None, [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            if not answer.startswith(b"HTTP/1.1 200") or (session and not connection.session_reused):
                errors += 1
            # TLS 1.3: the tickets have come with the answer.
            session = connection.session
        times.append((time.monotonic() - began) * 1e3)
    times.sort()
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))]
    json.dump({"requests": len(times), "errors": errors, "p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999)}, sys.stdout)


main()
