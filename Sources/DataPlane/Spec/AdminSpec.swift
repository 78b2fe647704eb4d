// The admin listener, and the one beside it that tells nothing but stats.
import Matching
import Reactor

/// The admin listener (`admin`).
public struct AdminSpec: Sendable {
    public var listen: ListenAddress
    public var accessLogs: [AccessLogSpec] = []
    /// Empty: every path is answered. Otherwise a path that no matcher takes is answered 403.
    public var allowPaths: [StringMatcher] = []
    public var changes = AdminChangesSpec()
    /// `ignore_global_conn_limit`
    public var ignoresGlobalLimit = false

    public init(listen: ListenAddress) { self.listen = listen }
}

/// Who may change the process by the admin port. Runtime keys: `outrider.admin.`; in Envoy everybody may.
public struct AdminChangesSpec: Sendable, Equatable {
    /// The file with the token that a request has to bring; nil: there is none.
    public var tokenFile: String?
    /// Users who may change things without a token, where they come by a Unix socket.
    public var users: Set<UInt32> = []

    public init() {}

    /// Whoever reaches the port may.
    public var isOpen: Bool { tokenFile == nil && users.isEmpty }
}
