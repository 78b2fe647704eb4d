// What a try tells of its host, for outlier detection.

/// How a try at a host went, or how far it has come. Envoy page: "Outlier detection".
enum AttemptOutcome: Equatable {
    /// The host answered with this status; a gRPC status counts as the HTTP status that stands for it.
    case answered(status: Int)
    /// There is a connection; the answer is judged by itself.
    case connected
    /// There is a connection, and that is all that can be told: raw TCP.
    case connectedOnly
    /// No connection, or one that broke.
    case failed
    /// Nothing came in time; the client is answered with this status.
    case timedOut(status: Int)
}
