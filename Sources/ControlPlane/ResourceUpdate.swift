// What a subscription is told.

/// A resource as it came: the data plane's meaning of it is for others to find out.
public struct DiscoveredResource: Sendable {
    public var name: String
    /// Its own version (delta), or that of the response it came with.
    public var version: String
    public var typeURL: String
    /// The message in protobuf's wire format; empty where it is from a file.
    public var bytes: [UInt8]
    /// Of a resource from a file: what the file's reader knows it by.
    public var origin: (any Sendable)?

    public init(name: String, version: String, typeURL: String, bytes: [UInt8], origin: (any Sendable)? = nil) {
        self.name = name
        self.version = version
        self.typeURL = typeURL
        self.bytes = bytes
        self.origin = origin
    }
}

/// News for one subscription, about resources that it asked for.
public struct ResourceUpdate: Sendable {
    public var resources: [DiscoveredResource] = []
    /// Resources that are no more: said by the server (delta), or their `ttl` is over.
    public var removed: [String] = []
    /// `version_info`, `system_version_info`.
    public var version = ""
    /// `resources` are all that there are: what is not among them is no more. So it is with a state of the world of all
    /// resources, and with a file.
    public var isWhole = false

    public init() {}
}

/// Who wants resources. Main thread only.
public protocol ResourceWatcher: AnyObject {
    /// What is wrong with the update, for people and for the control plane (`error_detail` of the NACK); nil: all of it
    /// is good. What of it is used nonetheless is the watcher's affair.
    func resourcesChanged(_ update: ResourceUpdate) -> String?
    /// There is no use in waiting for the first update: `initial_fetch_timeout` is over, the first answer was refused
    /// before its resources were looked at, or the file cannot be read. Comes once at most, and only ahead of the first
    /// update, which may still follow.
    func noFirstAnswer(isTimeout: Bool)
    /// The stream has ended, the file cannot be read, or a response was refused before its resources were looked at.
    /// What there is stays in use. For those who count by themselves.
    func subscriptionFailed(isRejected: Bool)
}

extension ResourceWatcher {
    public func subscriptionFailed(isRejected: Bool) {}
}
