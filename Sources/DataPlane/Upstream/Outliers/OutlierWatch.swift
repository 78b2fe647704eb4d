// What all threads share of a cluster's outlier detection: the thresholds, and the line to the main thread.
import Reactor

/// One a cluster that has `outlier_detection`. Any thread.
final class OutlierWatch: Sendable {
    let spec: OutlierSpec
    private let mailbox: Mailbox
    // Main thread only: `attach`, and what the mailbox runs.
    private nonisolated(unsafe) weak var detector: OutlierDetector?

    /// `mailbox`: of the main thread's loop.
    init(_ spec: OutlierSpec, mailbox: Mailbox) {
        self.spec = spec
        self.mailbox = mailbox
    }

    /// Main thread, before any worker serves.
    func attach(_ detector: OutlierDetector) { self.detector = detector }

    /// The detector looks at the host when the main thread next looks into its mailbox.
    func tell(_ monitor: OutlierMonitor) {
        mailbox.post { [self] in detector?.look(at: monitor) }
    }
}
