// Tells clients that begin requests only to reset them (CVE-2023-44487) from those that change their mind.
import Reactor

/// Counts the streams of a connection that ended early without a response, whoever reset them: a client can break a
/// rule so that we do. Envoy's `overload.premature_reset_*` with their defaults.
struct PrematureResets: CustomStringConvertible {
    /// Streams after which more than half may not have ended so.
    private static let streamCount = 500
    /// Streams that lived longer are not premature.
    private static let lifetime = TimeAmount.seconds(1)

    private var ended = 0
    private var premature = 0

    /// A stream of the connection ended, somehow.
    mutating func noteEnd() { ended &+= 1 }

    /// And it was reset; `info` tells what had become of it.
    mutating func noteReset(_ info: StreamInfo, now: MonotonicTime) {
        guard info.responseCode == 0, now - info.marks.start <= PrematureResets.lifetime else { return }
        premature &+= 1
    }

    /// More than half of the streams were premature resets, or will have been however many good ones follow.
    var isFlood: Bool { premature * 2 >= max(ended, PrematureResets.streamCount) }

    var description: String {
        "\(premature) of its \(ended) streams were reset within \(PrematureResets.lifetime) and before a response;"
            + " half of \(PrematureResets.streamCount) is the limit"
    }
}
