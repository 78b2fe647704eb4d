// Whether the proxy lets itself be found healthy.
import Synchronization

/// Set by the main thread (`/healthcheck/fail`, the end of the process), read by all workers.
public final class ProxyHealth: Sendable {
    private let fails = Atomic(false)

    public init() {}

    /// Checks of clients are to fail.
    public var failsChecks: Bool {
        get { fails.load(ordering: .relaxed) }
        set { fails.store(newValue, ordering: .relaxed) }
    }
}
