// What the command line asks of the demo.

/// The settings of `outrider demo`.
public struct DemoOptions: Sendable {
    /// Send this many requests, sum up and end. nil: show what happens until Ctrl-C.
    public var requests: Int?
    /// Requests a second of the demo's own load. nil: 50, or with `requests` as fast as the answers come.
    public var rate: Int?
    /// Percent of the requests that the sample app answers with 503.
    public var failures = 10
    /// Leave the folder with bootstraps, certificates and logs where it is.
    public var keep = false

    public init() {}
}

/// Something that keeps the demo from going on.
struct DemoError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Somebody wants the demo to end.
struct DemoInterrupted: Error {}
