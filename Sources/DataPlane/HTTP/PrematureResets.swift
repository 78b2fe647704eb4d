// Tells clients that begin requests only to reset them (CVE-2023-44487) from those that change their mind.
import Reactor

/// Counts the streams of a connection that ended early without a response, whoever reset them: a client can break a
/// rule so that we do.
struct PrematureResets {
    private var ended: UInt32 = 0
    private var premature: UInt32 = 0

    /// A stream of the connection ended, somehow.
    mutating func noteEnd() { if ended < .max { ended += 1 } }

    /// And it was reset; `info` tells what had become of it.
    mutating func noteReset(_ info: StreamInfo, now: MonotonicTime, _ limits: PrematureResetSpec) {
        guard info.responseCode == 0, now - info.marks.start <= limits.lifetime else { return }
        if premature < .max { premature += 1 }
    }

    /// More than half of the streams were premature resets, or will have been however many good ones follow.
    func isFlood(_ limits: PrematureResetSpec) -> Bool { Int(premature) * 2 >= max(Int(ended), limits.streamCount) }

    func description(_ limits: PrematureResetSpec) -> String {
        "\(premature) of its \(ended) streams were reset within premature_reset_min_stream_lifetime_seconds"
            + " (\(limits.lifetime)) and before a response; half of premature_reset_total_stream_count"
            + " (\(limits.streamCount)) is the limit"
    }
}
