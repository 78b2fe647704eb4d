// What the overload manager watches: one reading a refresh interval.
import DataPlane
import Reactor

/// Why a resource could not be read, for people.
struct ResourceFailure: Error, CustomStringConvertible {
    let description: String
}

/// A resource that can run out. Main thread only.
protocol ResourceMonitor: AnyObject {
    /// How much of it is taken: 1 is all there is, and more is possible. What is below 0 or no number counts as a failure.
    func read(now: MonotonicTime) throws(ResourceFailure) -> Double
}

extension ResourceMonitorSpec {
    /// The setting and its value, in the words of messages.
    var setting: String {
        switch kind {
        case .fixedHeap(let bytes): "max_heap_size_bytes \(bytes)"
        case .cgroupMemory(0): "the limit of the cgroup"
        case .cgroupMemory(let bytes): "max_memory_bytes \(bytes)"
        case .cpu(let ofContainer): "mode \(ofContainer ? "CONTAINER" : "HOST")"
        case .injected(let file): "filename '\(file)'"
        case .connections: "max_active_downstream_connections"
        }
    }

    /// What reads it.
    ///
    /// - Parameters:
    ///   - begin: the least pressure at which a trigger asks for something.
    ///   - connections: what counts them, where there is a limit.
    func monitor(
        begin: Double, connections: GlobalConnectionLimit?, limits: CgroupLimits = .ofThisProcess
    ) -> any ResourceMonitor {
        switch kind {
        case .fixedHeap(let bytes): HeapMonitor(maxBytes: bytes, releasesFrom: begin)
        case .cgroupMemory(let bytes): CgroupMemoryMonitor(maxBytes: bytes, limits)
        case .cpu(let ofContainer): CPUMonitor(ofContainer ? .container : .host, limits)
        case .injected(let file): InjectedMonitor(file: file)
        case .connections: ConnectionMonitor(connections)
        }
    }
}
