// HTTPWire: HTTP bytes to events and back, without I/O.
