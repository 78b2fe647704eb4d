// EnvoyAPI: the v3 messages that Outrider knows. Generated holds them; scripts/generate-envoy-api makes them.

/// The prefix of the type URLs that Envoy's files and control planes use.
public let envoyTypeURLPrefix = "type.googleapis.com/"
