// EnvoyAPI: the v3 messages that Outrider knows.
