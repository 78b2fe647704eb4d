// The overload manager, and the limit on connections over all listeners.
import DataPlane
import EnvoyAPI
import Reactor

struct OverloadSpecBuilder {
    let context: SpecContext

    /// What Envoy has and Outrider has not; all other names are unknown to both.
    private static let unsupported = [
        "envoy.overload_actions.reset_high_memory_stream", "envoy.overload_actions.close_idle_http_connections",
        "envoy.load_shed_points.connection_pool_new_connection", "envoy.load_shed_points.tcp_proxy_on_data",
        "envoy.load_shed_points.tcp_proxy_upstream_connect", "envoy.load_shed_points.http3_server_go_away_on_dispatch",
        "envoy.load_shed_points.http3_server_go_away_and_close_on_dispatch",
    ]

    func overload(_ bootstrap: API.Bootstrap) -> OverloadSpec {
        var spec = OverloadSpec()
        let path = FieldPath().field("overload_manager")
        if bootstrap.hasOverloadManager { read(bootstrap.overloadManager, path, into: &spec) }
        limitByRuntime(path, &spec)
        return spec
    }

    private func read(_ manager: API.OverloadManager, _ path: FieldPath, into spec: inout OverloadSpec) {
        if manager.hasRefreshInterval {
            spec.refreshInterval = context.amount(manager.refreshInterval)
            if spec.refreshInterval < .milliseconds(1) {
                context.bad(path.field("refresh_interval"), "must be at least 1 ms")
            }
        }
        for (index, monitor) in manager.resourceMonitors.enumerated() {
            let place = path.field("resource_monitors")[index]
            if spec.monitors.contains(where: { $0.name == monitor.name }) {
                context.duplicate(
                    place.field("name"), "\(quotedForMessage(monitor.name)) is the name of another resource monitor")
            }
            if let made = self.monitor(monitor, place, &spec) { spec.monitors.append(made) }
        }
        let names = manager.resourceMonitors.map(\.name)
        for (index, action) in manager.actions.enumerated() {
            add(action, isAction: true, names, path.field("actions")[index], to: &spec)
        }
        for (index, point) in manager.loadshedPoints.enumerated() {
            var action = API.OverloadAction()
            action.name = point.name
            action.triggers = point.triggers
            add(action, isAction: false, names, path.field("loadshed_points")[index], to: &spec)
        }
    }

    // MARK: - Monitors

    private func monitor(
        _ monitor: API.ResourceMonitor, _ path: FieldPath, _ spec: inout OverloadSpec
    ) -> ResourceMonitorSpec? {
        let place = path.field("typed_config")
        guard case .typedConfig(let config)? = monitor.configType else {
            context.missing(place, "is required: extensions are chosen by the type of their config")
            return nil
        }
        let kind: ResourceMonitorSpec.Kind
        if let heap = config.unpacked(API.FixedHeap.self) {
            kind = .fixedHeap(maxBytes: heap.maxHeapSizeBytes)
        } else if let cgroup = config.unpacked(API.CgroupMemory.self) {
            kind = .cgroupMemory(maxBytes: cgroup.maxMemoryBytes)
        } else if let cpu = config.unpacked(API.CPUUtilization.self) {
            kind = .cpu(ofContainer: cpu.mode == .container)
        } else if let injected = config.unpacked(API.InjectedResource.self) {
            kind = .injected(file: injected.filename)
        } else if let connections = config.unpacked(API.DownstreamConnections.self) {
            if monitor.name != GlobalConnectionLimitSpec.monitorName {
                context.bad(
                    path.field("name"), "must be \(GlobalConnectionLimitSpec.monitorName) with this typed_config")
            }
            spec.connectionLimit = GlobalConnectionLimitSpec(
                limit: Int(clamping: connections.maxActiveDownstreamConnections), source: .monitor)
            kind = .connections
        } else {
            return nil
        }
        return ResourceMonitorSpec(name: monitor.name, kind: kind)
    }

    /// The runtime key that was there before the monitor.
    private func limitByRuntime(_ path: FieldPath, _ spec: inout OverloadSpec) {
        let key = GlobalConnectionLimitSpec.runtimeKey
        let limit = context.number(-1, runtimeKey: key)
        guard limit >= 0, context.runtime.values[key] != nil else { return }
        if spec.connectionLimit != nil {
            context.report.warn(
                path: path.field("resource_monitors"),
                "\(GlobalConnectionLimitSpec.monitorName) holds, and the runtime key \(quotedForMessage(key)) does not")
            return
        }
        context.report.warn(
            path: FieldPath().field("layered_runtime"),
            "Envoy will give the runtime key \(quotedForMessage(key)) up: the resource monitor"
                + " \(GlobalConnectionLimitSpec.monitorName) of overload_manager has taken its place")
        spec.connectionLimit = GlobalConnectionLimitSpec(limit: Int(min(limit, 1e15)), source: .runtimeKey)
    }

    // MARK: - Actions

    private func add(
        _ action: API.OverloadAction, isAction: Bool, _ names: [String], _ path: FieldPath, to spec: inout OverloadSpec
    ) {
        guard let point = point(action.name, isAction: isAction, path.field("name")) else { return }
        if spec.actions.contains(where: { $0.point == point }) {
            return context.duplicate(path.field("name"), "\(quotedForMessage(action.name)) is listed twice")
        }
        let triggers = action.triggers.enumerated().compactMap { trigger($1, names, path.field("triggers")[$0]) }
        let resources = action.triggers.map(\.name)
        if Set(resources).count < resources.count {
            context.duplicate(path.field("triggers"), "two of these name the same resource monitor")
        }
        var made = OverloadActionSpec(point: point, triggers: triggers)
        let config = path.field("typed_config")
        if point == .reduceTimeouts {
            if action.hasTypedConfig {
                if let timers = action.typedConfig.unpacked(API.ScaleTimers.self) {
                    made.reductions = reductions(timers, config.field("timer_scale_factors"))
                }
            } else {
                context.missing(config, "is required: it has the timeouts that are reduced")
            }
        } else if action.hasTypedConfig {
            context.bad(config, "belongs to \(OverloadPoint.reduceTimeouts.name), not to \(action.name)")
        }
        spec.actions.append(made)
    }

    private func point(_ name: String, isAction: Bool, _ path: FieldPath) -> OverloadPoint? {
        let known = OverloadPoint.allCases.filter { $0.isAction == isAction }
        if let found = known.first(where: { $0.name == name }) { return found }
        if OverloadSpecBuilder.unsupported.contains(name) {
            context.unsupported(path, "Outrider does not have \(quotedForMessage(name))")
        } else {
            context.bad(
                path,
                "there is no \(isAction ? "overload action" : "load shed point") \(quotedForMessage(name))"
                    + Suggestion.clause(for: name, among: known.map(\.name)))
        }
        return nil
    }

    private func trigger(_ trigger: API.OverloadTrigger, _ names: [String], _ path: FieldPath) -> OverloadTriggerSpec? {
        if !names.contains(trigger.name) {
            context.inconsistent(
                path.field("name"),
                "there is no resource monitor \(quotedForMessage(trigger.name))"
                    + Suggestion.clause(for: trigger.name, among: names))
        }
        switch trigger.triggerOneof {
        case .threshold(let threshold)?:
            return OverloadTriggerSpec(resource: trigger.name, kind: .threshold(threshold.value))
        case .scaled(let scaled)?:
            guard scaled.scalingThreshold < scaled.saturationThreshold else {
                context.bad(
                    path.field("scaled"),
                    "scaling_threshold \(scaled.scalingThreshold) must be less than saturation_threshold"
                        + " \(scaled.saturationThreshold)")
                return nil
            }
            return OverloadTriggerSpec(
                resource: trigger.name, kind: .scaled(from: scaled.scalingThreshold, to: scaled.saturationThreshold))
        case nil: return nil
        }
    }

    private func reductions(_ timers: API.ScaleTimers, _ path: FieldPath) -> [TimeoutReduction] {
        var made: [TimeoutReduction] = []
        for (index, factor) in timers.timerScaleFactors.enumerated() {
            let place = path[index]
            let timer: ReducibleTimeout
            switch factor.timer {
            case .httpDownstreamConnectionIdle: timer = .connectionIdle
            case .httpDownstreamStreamIdle: timer = .streamIdle
            case .transportSocketConnect: timer = .handshake
            case .httpDownstreamConnectionMax: timer = .connectionDuration
            case .httpDownstreamStreamFlush:
                context.unsupported(place.field("timer"), "Outrider does not reduce HTTP_DOWNSTREAM_STREAM_FLUSH")
                continue
            default: continue
            }
            if made.contains(where: { $0.timer == timer }) {
                context.duplicate(place.field("timer"), "\(timer.name) is listed twice")
            }
            switch factor.overloadAdjust {
            case .minTimeout(let least)?:
                made.append(TimeoutReduction(timer: timer, least: .amount(context.amount(least))))
            case .minScale(let percent)?:
                made.append(TimeoutReduction(timer: timer, least: .share(percent.value / 100)))
            case nil: break
            }
        }
        return made
    }
}
