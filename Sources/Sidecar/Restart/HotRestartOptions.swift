// What the command line says of hot restarts.

/// How a process takes over from the one before it, and gives way to the one after it.
public struct HotRestartOptions: Sendable {
    /// What is expected at the path at the start.
    public enum Predecessor: Sendable {
        /// Whoever is there is taken over from.
        case optional
        /// Without one the start fails: `--restart-epoch` above 0.
        case required
        /// Nobody is looked for: `--restart-epoch 0`.
        case none
    }

    /// `hot_restart_version`: processes that say the same can take over from each other.
    public static let version = "outrider.\(HandoverMessage.version)"

    /// The Unix socket where the two meet; "@name" for the abstract namespace.
    public var path: String
    /// Permission bits of the socket's file.
    public var mode: UInt32 = 0o600
    public var predecessor = Predecessor.optional
    /// Whether counters go on where the predecessor's were.
    public var takesStats = true
    /// `--base-id`, or the one that was chosen, and a file that gets it.
    public var baseID: Int?
    public var baseIDPath: String?

    public init(path: String) { self.path = path }
}
