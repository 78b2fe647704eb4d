// One resource of the overload manager: what reads it, its pressure, its stats.
import DataPlane
import Logging
import Metrics
import Reactor

/// One of `resource_monitors`, as `overload.<name>.` shows it. Main thread only.
final class WatchedResource {
    /// A resource that cannot be read is told of when that begins, and then this often.
    static let failureInterval = TimeAmount.seconds(60)

    let name: String
    /// "max_heap_size_bytes 1048576"
    let setting: String
    /// At the last reading that went well; nil: there was none.
    private(set) var pressure: Double?
    /// Why there is no reading yet of something that is there from the start or never; nil: there is one.
    private(set) var missing: ResourceFailure?
    private let mayComeLater: Bool
    private let monitor: any ResourceMonitor
    private let pressureGauge: Gauge
    private let failures: Counter
    private let log: Logger
    private var toldOfFailure: MonotonicTime?

    init(_ spec: ResourceMonitorSpec, _ monitor: any ResourceMonitor, cells: StatCells, log: Logger) {
        name = spec.name
        setting = spec.setting
        self.monitor = monitor
        self.log = log
        if case .injected = spec.kind { mayComeLater = true } else { mayComeLater = false }
        let prefix = "overload.\(spec.name)."
        pressureGauge = cells.gauge(prefix + "pressure")
        pressureGauge.set(0)
        failures = cells.counter(prefix + "failed_updates")
        // Envoy counts readings here that it left out because one was still under way; here none is.
        if spec.kind != .connections { _ = cells.counter(prefix + "skipped_updates") }
    }

    /// Reads it. What was known before stays where that fails, as in Envoy.
    func refresh(now: MonotonicTime) {
        do throws(ResourceFailure) {
            let value = try monitor.read(now: now)
            guard value.isFinite, value >= 0 else { throw ResourceFailure(description: "\(value) is no pressure") }
            pressure = value
            missing = nil
            pressureGauge.set(Int64(min(value, 1e6) * 100))
            if toldOfFailure != nil { log.info("\(name) can be read again") }
            toldOfFailure = nil
        } catch {
            failures.increment()
            if pressure == nil, !mayComeLater {
                missing = ResourceFailure(description: "\(name): \(error)")
                return
            }
            if let toldOfFailure, now - toldOfFailure < WatchedResource.failureInterval { return }
            toldOfFailure = now
            let rest = pressure.map { "; it still counts as \(OverloadState.percent($0))" } ?? ""
            log.warning("\(name): \(error)\(rest)")
        }
    }
}
