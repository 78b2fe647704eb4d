// `envoy.resource_monitors.fixed_heap`: the memory of this process.
import Reactor

/// What counts is resident anonymous memory: what the kernel holds against the process, and would have to kill it for.
/// Blocks that are free and that malloc has kept are given back before a reading counts that would have consequences: else
/// a peak that is over would go on refusing clients. Main thread only.
final class HeapMonitor: ResourceMonitor {
    /// Giving back takes some milliseconds in which threads that allocate wait.
    static let releaseInterval = TimeAmount.seconds(10)

    private let maxBytes: UInt64
    private let releasesFrom: Double
    private let usage: () -> UInt64?
    private let release: () -> Void
    private var released: MonotonicTime?

    /// - Parameters:
    ///   - releasesFrom: the pressure from which on free memory is given back before it counts.
    ///   - usage: bytes; nil: not known.
    init(
        maxBytes: UInt64, releasesFrom: Double, usage: @escaping () -> UInt64? = ProcessMemory.anonymous,
        release: @escaping () -> Void = HeapMemory.release
    ) {
        self.maxBytes = max(1, maxBytes)
        self.releasesFrom = releasesFrom
        self.usage = usage
        self.release = release
    }

    func read(now: MonotonicTime) throws(ResourceFailure) -> Double {
        let pressure = try measure()
        if pressure < releasesFrom { return pressure }
        if let released, now - released < HeapMonitor.releaseInterval { return pressure }
        released = now
        release()
        return try measure()
    }

    private func measure() throws(ResourceFailure) -> Double {
        guard let bytes = usage() else { throw ResourceFailure(description: "/proc/self/statm cannot be read") }
        return Double(bytes) / Double(maxBytes)
    }
}
