// Reactor: event loop, timers, sockets, buffers, TLS, DNS: raw memory and system calls live here.
