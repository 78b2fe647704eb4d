// The file that ejections and returns of hosts are written to (`cluster_manager.outlier_detection.event_log_path`).
import Metrics
import Reactor

/// All clusters' events. Main thread only; written as access logs are, by a thread that may wait for the disk.
public final class OutlierEventLog {
    private let buffers: AccessLogBuffers
    private let buffer: AccessLogBuffer

    /// Opens the file; fails when that is not possible.
    public init(
        path: String, loop: EventLoop, sinks: AccessLogSinks, cells: StatCells
    ) throws(SystemError) {
        buffers = AccessLogBuffers(loop: loop, sinks: sinks, cells: cells)
        buffer = try buffers.buffer(for: .file(path: path))
    }

    func write(_ event: OutlierEvent) { buffer.add { event.append(to: &$0) } }

    /// Hands all lines over now: when the loop ends.
    public func flush() { buffers.flush() }
}
