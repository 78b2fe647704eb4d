// How workers tell the main thread of hosts that took themselves out in a response to ordinary traffic.
import Reactor

/// Of one cluster with health checks. Any thread.
public final class ImmediateFailures: Sendable {
    private let mailbox: Mailbox
    // Read and written on the main thread only: `attach` when checks begin, `report` in what the mailbox runs.
    private nonisolated(unsafe) var checker: HealthChecker?

    /// `mailbox` is the main loop's.
    init(mailbox: Mailbox) { self.mailbox = mailbox }

    /// Main thread. nil: the checks have ended.
    func attach(_ checker: HealthChecker?) { self.checker = checker }

    /// A response of `host` has `x-envoy-immediate-health-check-fail`.
    public func report(_ host: Host) {
        // Once is enough, however many responses say so; of a host without checks nobody takes note.
        guard !host.isExemptFromChecks, !host.healthFlags.contains(.excludedByImmediateHealthCheckFail) else { return }
        mailbox.post { [self] in checker?.failImmediately(host) }
    }
}
