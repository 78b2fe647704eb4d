// DataPlane: listeners, streams, routing, upstreams, access log.
