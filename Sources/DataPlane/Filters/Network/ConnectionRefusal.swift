// Why a connection was not let in: for counters, access logs and people.

/// Why a connection was turned away.
struct ConnectionRefusal {
    var flags: ResponseFlags = []
    /// `%CONNECTION_TERMINATION_DETAILS%`.
    var details = ""
    /// `%DOWNSTREAM_LOCAL_CLOSE_REASON%`.
    var closeReason: String
    /// For the log of the process; empty: counters tell enough.
    var reason = ""
}
