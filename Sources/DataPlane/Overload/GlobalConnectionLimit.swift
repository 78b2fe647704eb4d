// How many downstream connections the process may have at a time, over all listeners and workers.
import Synchronization

/// Envoy's `global_downstream_max_connections`, as a resource monitor or as a runtime key. One atomic, touched when a
/// connection comes and when it goes, and only where there is a limit. Thread-safe.
public final class GlobalConnectionLimit: Sendable {
    public let spec: GlobalConnectionLimitSpec
    private let open = Atomic<Int>(0)

    public init(_ spec: GlobalConnectionLimitSpec) { self.spec = spec }

    /// True when there is room; a connection that got in must `leave`.
    ///
    /// - Parameter isExempt: its listener has `ignore_global_conn_limit`. As in Envoy it gets in whatever there is; the
    ///   runtime key's limit counts it all the same, the monitor's does not.
    public func enter(isExempt: Bool) -> Bool {
        if isExempt && spec.source == .monitor { return true }
        let number = open.add(1, ordering: .relaxed).newValue
        if isExempt || number <= spec.limit { return true }
        open.subtract(1, ordering: .relaxed)
        return false
    }

    /// A connection that one listener has let in goes on to another: it is counted there, whatever there is.
    public func join(isExempt: Bool) {
        if isExempt && spec.source == .monitor { return }
        open.add(1, ordering: .relaxed)
    }

    public func leave(isExempt: Bool) {
        if isExempt && spec.source == .monitor { return }
        open.subtract(1, ordering: .relaxed)
    }

    /// How much of the limit is taken; 1 is all of it.
    public var pressure: Double { Double(open.load(ordering: .relaxed)) / Double(max(1, spec.limit)) }

    /// For people: the setting and its value.
    public var setting: String {
        switch spec.source {
        case .monitor:
            "\(GlobalConnectionLimitSpec.monitorName): max_active_downstream_connections \(spec.limit)"
        case .runtimeKey: "runtime key \(GlobalConnectionLimitSpec.runtimeKey): \(spec.limit)"
        }
    }

    /// What the monitor counts refusals in, as Envoy does; nil: only listeners count them.
    public static func refusalCounter(_ spec: GlobalConnectionLimitSpec) -> String? {
        spec.source == .monitor ? "overload.\(GlobalConnectionLimitSpec.monitorName).failed_updates" : nil
    }
}
