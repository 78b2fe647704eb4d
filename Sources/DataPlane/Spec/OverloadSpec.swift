// The overload manager: what is watched, and what is done when there is too much of it.
import Reactor

/// `envoy.config.overload.v3.OverloadManager`, and the limit on connections that belongs to it.
public struct OverloadSpec: Sendable {
    /// How often monitors are read.
    public var refreshInterval = TimeAmount.seconds(1)
    public var monitors: [ResourceMonitorSpec] = []
    public var actions: [OverloadActionSpec] = []
    /// Downstream connections over all listeners; nil: no limit.
    public var connectionLimit: GlobalConnectionLimitSpec?

    public init() {}
}

/// One of `resource_monitors` that is read by the clock.
public struct ResourceMonitorSpec: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// Bytes of memory that the process may take.
        case fixedHeap(maxBytes: UInt64)
        /// Memory of the cgroup; `maxBytes` bounds its limit, 0 does not.
        case cgroupMemory(maxBytes: UInt64)
        /// CPUs of the machine, or of the container.
        case cpu(ofContainer: Bool)
        /// A file with a number from 0 to 1.
        case injected(file: String)
        /// Connections over all listeners, in parts of their limit.
        case connections
    }

    /// Triggers and stats call it so.
    public var name: String
    public var kind: Kind

    public init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}

/// One of `actions` or `loadshed_points`.
public struct OverloadActionSpec: Sendable, Equatable {
    public var point: OverloadPoint
    /// The one that asks for most decides.
    public var triggers: [OverloadTriggerSpec]
    /// Of `reduce_timeouts`.
    public var reductions: [TimeoutReduction]

    public init(point: OverloadPoint, triggers: [OverloadTriggerSpec], reductions: [TimeoutReduction] = []) {
        self.point = point
        self.triggers = triggers
        self.reductions = reductions
    }
}

/// From the pressure of a resource to how far an action goes.
public struct OverloadTriggerSpec: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// All from this pressure on.
        case threshold(Double)
        /// Nothing up to the first, all from the second on, in between in proportion.
        case scaled(from: Double, to: Double)
    }

    /// The name of a monitor.
    public var resource: String
    public var kind: Kind

    public init(resource: String, kind: Kind) {
        self.resource = resource
        self.kind = kind
    }

    /// How far the action goes, from 0 to 1.
    ///
    /// - Parameter pressure: of the resource; 1 is all of it, more is possible.
    public func share(at pressure: Double) -> Double {
        switch kind {
        case .threshold(let value): pressure >= value ? 1 : 0
        case .scaled(let from, let to): min(max((pressure - from) / (to - from), 0), 1)
        }
    }

    /// The least pressure at which it asks for something.
    public var begin: Double {
        switch kind {
        case .threshold(let value): value
        case .scaled(let from, _): from
        }
    }
}

/// A limit on downstream connections of all listeners together.
public struct GlobalConnectionLimitSpec: Sendable, Equatable {
    public enum Source: Sendable, Equatable {
        /// `envoy.resource_monitors.global_downstream_max_connections`
        case monitor
        /// The runtime key that was there before the monitor.
        case runtimeKey
    }

    public static let monitorName = "envoy.resource_monitors.global_downstream_max_connections"
    public static let runtimeKey = "overload.global_downstream_max_connections"

    public var limit: Int
    public var source: Source

    public init(limit: Int, source: Source) {
        self.limit = limit
        self.source = source
    }
}

/// One of `timer_scale_factors`.
public struct TimeoutReduction: Sendable, Equatable {
    public enum Least: Sendable, Equatable {
        case amount(TimeAmount)
        /// A part of the timeout as it is configured, from 0 to 1.
        case share(Double)
    }

    public var timer: ReducibleTimeout
    /// What is left of it at full pressure.
    public var least: Least

    public init(timer: ReducibleTimeout, least: Least) {
        self.timer = timer
        self.least = least
    }
}

/// The timeouts that `reduce_timeouts` can reduce.
public enum ReducibleTimeout: Int, CaseIterable, Sendable {
    case connectionIdle
    case streamIdle
    case handshake
    case connectionDuration

    /// As `TimerType` has it.
    public var name: String {
        switch self {
        case .connectionIdle: "HTTP_DOWNSTREAM_CONNECTION_IDLE"
        case .streamIdle: "HTTP_DOWNSTREAM_STREAM_IDLE"
        case .handshake: "TRANSPORT_SOCKET_CONNECT"
        case .connectionDuration: "HTTP_DOWNSTREAM_CONNECTION_MAX"
        }
    }
}
