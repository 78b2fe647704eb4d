// A request that a filter holds until later: who holds it, and who is held.
import HTTPWire

/// What a filter makes of a request's head.
enum FilterVerdict {
    /// The next filter's turn.
    case passed
    /// The filter has answered the request; nobody else sees it.
    case answered
    /// The filter will let it go later, by `StreamFilters.release`, or answer it then. Until then its body is held, up to
    /// the stream's watermark, and deadlines run.
    case held(any FilterHold)
}

/// What a filter waits for with one request. Loop thread only.
protocol FilterHold: AnyObject {
    /// Bytes of the body that have to be there before the filter goes on; nil: it does not look at the body.
    var wantedBytes: Int? { get }
    /// More of the body is held, or the request is complete. May release the request, or answer it.
    func bodyCame(isComplete: Bool)
    /// The stream is over: stop what runs.
    func cancel()
}

extension FilterHold {
    var wantedBytes: Int? { nil }
    func bodyCame(isComplete: Bool) {}
}

/// The request that filters look at, as whoever forwards it has it. Loop thread only.
protocol FilteredRequest: AnyObject {
    /// Its route sends it to a cluster: neither an answer of the route's own nor a redirect.
    var isForwarded: Bool { get }
    /// All filters have let it go.
    func filtersPassed()
    /// The request was changed, so that another route may be right: it is chosen anew. Returns the filters of the new one.
    func chooseRouteAgain() -> HTTPFilterChain?
    /// Bytes of its body that are held.
    var heldBytes: Int { get }
    /// A copy of the first bytes of its body.
    func heldBody(upTo limit: Int) -> [UInt8]
}
