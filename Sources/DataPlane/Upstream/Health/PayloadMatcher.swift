// Looks for given bytes in what comes, piece by piece.
import Reactor

/// Finds segments in their order, with anything before, between and behind them. Holds less than one segment of what
/// came, however much that is.
struct PayloadMatcher {
    private let segments: [[UInt8]]
    private var next = 0
    /// The last bytes, which may be the begin of the next segment.
    private var tail: [UInt8] = []

    init(_ segments: [[UInt8]]) { self.segments = segments.filter { !$0.isEmpty } }

    var isComplete: Bool { next == segments.count }

    /// Takes more bytes.
    mutating func feed(_ bytes: ByteView) {
        guard !isComplete else { return }
        tail += bytes.array
        var start = 0
        while next < segments.count, let end = find(segments[next], from: start) {
            start = end
            next += 1
        }
        let kept = next < segments.count ? min(tail.count - start, segments[next].count - 1) : 0
        tail.removeFirst(tail.count - kept)
    }

    /// The end of the first occurrence at `start` or later.
    private func find(_ segment: [UInt8], from start: Int) -> Int? {
        segment.withUnsafeBytes { wanted in
            tail.withUnsafeBytes { ByteView($0).dropFirst(start).firstRange(of: ByteView(wanted)) }
        }.map { start + $0.upperBound }
    }
}
