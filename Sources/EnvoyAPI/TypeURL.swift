// How messages are named in files and on the wire.

/// The prefix of the type URLs that Envoy's files and control planes use.
public let envoyTypeURLPrefix = "type.googleapis.com/"
