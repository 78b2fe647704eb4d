// How many connections one event of a listening socket accepts.

/// Asking an empty backlog costs the system a socket and a file, which it makes before it looks: as much as a quarter of
/// what a connection costs. So an event takes as many as the events before it have found, and asks for more only now and
/// then; a storm doubles that until it fills whole batches.
struct AcceptAllowance {
    /// Events that find all they may take, until they may take twice as many.
    private static let patience = 8

    /// To be accepted by the next event; at least 1.
    private(set) var count = 1
    private var fullEvents = 0

    /// - Parameters:
    ///   - accepted: by this event.
    ///   - limit: what an event may take at most.
    mutating func learn(accepted: Int, limit: Int) {
        guard accepted >= count else {
            count = max(1, accepted)
            fullEvents = 0
            return
        }
        fullEvents += 1
        guard fullEvents >= AcceptAllowance.patience else { return }
        fullEvents = 0
        count = min(count &* 2, max(1, limit))
    }
}
