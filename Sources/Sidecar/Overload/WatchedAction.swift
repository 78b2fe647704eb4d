// One action or load shed point of the overload manager: its triggers, its stats, and what is said of it.
import DataPlane
import Logging
import Metrics
import Reactor

/// One of `actions` or `loadshed_points`, as `overload.<name>.` shows it. Main thread only.
final class WatchedAction {
    /// Its begin and its end are told of at most this often: a pressure at a threshold goes up and down.
    static let logInterval = TimeAmount.seconds(10)

    let point: OverloadPoint
    private(set) var level = OverloadState.Level()
    private let triggers: [(spec: OverloadTriggerSpec, resource: WatchedResource)]
    /// Only of actions.
    private let active: Gauge?
    private let scale: Gauge
    private let log: Logger
    private var told: MonotonicTime?
    private var toldActive = false
    private var changesLeftOut = 0

    /// - Parameter resources: those that its triggers name.
    init(_ spec: OverloadActionSpec, _ resources: [WatchedResource], cells: StatCells, log: Logger) {
        point = spec.point
        triggers = spec.triggers.compactMap { trigger in
            resources.first { $0.name == trigger.resource }.map { (trigger, $0) }
        }
        self.log = log
        let prefix = "overload.\(point.name)."
        active = point.isAction ? cells.gauge(prefix + "active") : nil
        scale = cells.gauge(prefix + "scale_percent")
        active?.set(0)
        scale.set(0)
    }

    /// What people are told of its triggers, in their order.
    var causes: [OverloadState.Cause] {
        triggers.map { trigger, resource in
            .init(resource: "\(resource.name) (\(resource.setting))", trigger: trigger.inWords)
        }
    }

    /// Works out how far it goes by the pressures that its resources have. True when that is something else than before.
    func update(now: MonotonicTime) -> Bool {
        var most = OverloadState.Level()
        for (index, (trigger, resource)) in triggers.enumerated() {
            guard let pressure = resource.pressure else { continue }
            let share = trigger.share(at: pressure)
            if share > most.share { most = OverloadState.Level(share: share, trigger: index, pressure: pressure) }
        }
        let hasChanged = most != level
        if (most.share > 0) != (level.share > 0) { changesLeftOut += 1 }
        level = most
        active?.set(most.share >= 1 ? 1 : 0)
        // 100 stands for all of it; and half of it shall read as 50, whatever its last bit is.
        scale.set(Int64(most.share * 100 + (most.share < 1 ? 1e-6 : 0)))
        return hasChanged
    }

    /// Tells people when it has begun or is over.
    ///
    /// - Parameter reason: why it is active.
    func tell(_ reason: @autoclosure () -> String, now: MonotonicTime) {
        let isActive = level.share > 0
        if isActive == toldActive && changesLeftOut < 2 { return }
        if let told, now - told < WatchedAction.logInterval { return }
        told = now
        toldActive = isActive
        let others = changesLeftOut > 1 ? " (it has changed \(changesLeftOut) times since the last line)" : ""
        changesLeftOut = 0
        if isActive {
            let share = level.share < 1 ? ", \(OverloadState.percent(level.share)) of it" : ""
            log.warning("overload: \(reason())\(share)\(others)")
        } else {
            log.info("overload is over: \(point.name)\(others)")
        }
    }
}

extension OverloadTriggerSpec {
    /// In the words of messages.
    var inWords: String {
        switch kind {
        case .threshold(let value): "threshold \(OverloadState.percent(value))"
        case .scaled(let from, let to):
            "scaled from \(OverloadState.percent(from)) to \(OverloadState.percent(to))"
        }
    }
}
