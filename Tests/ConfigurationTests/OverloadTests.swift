// The overload manager: what it becomes, and what is wrong with it.
import DataPlane
import Reactor
import Testing

@testable import Configuration

@Suite struct OverloadTests {
    private static let monitors = "type.googleapis.com/envoy.extensions.resource_monitors"
    private static let heap = """
        {name: heap, typed_config: {"@type": \(monitors).fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: 5}}
        """
    private static let timers = "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig"

    private func text(_ fields: String) -> String { "overload_manager: {\(fields)}\n" }

    private func action(_ name: String, _ trigger: String = "threshold: {value: 0.9}", more: String = "") -> String {
        "{name: envoy.overload_actions.\(name), triggers: [{name: heap, \(trigger)}]\(more)}"
    }

    private func errors(actions: String = "", points: String = "", monitors: String = OverloadTests.heap) -> [String] {
        problemsOf(
            text("resource_monitors: [\(monitors)], actions: [\(actions)], loadshed_points: [\(points)]"))
    }

    private func problemsOf(_ text: String) -> [String] {
        ConfigurationTests.errors(text).map { String($0.drop { $0 != " " }.dropFirst()) }
    }

    @Test func nothingIsWatchedUnlessAskedFor() throws {
        let spec = try loaded("{}").spec.overload
        #expect(spec.monitors.isEmpty && spec.actions.isEmpty && spec.connectionLimit == nil)
        #expect(spec.refreshInterval == .seconds(1))
    }

    @Test func allSettings() throws {
        let other = [
            "{name: a, typed_config: {\"@type\": \(Self.monitors).cgroup_memory.v3.CgroupMemoryConfig, max_memory_bytes: 7}}",
            "{name: b, typed_config: {\"@type\": \(Self.monitors).cpu_utilization.v3.CpuUtilizationConfig, mode: CONTAINER}}",
            "{name: c, typed_config: {\"@type\": \(Self.monitors).injected_resource.v3.InjectedResourceConfig, filename: /f}}",
            "{name: \(GlobalConnectionLimitSpec.monitorName), typed_config: {\"@type\": "
                + "\(Self.monitors).downstream_connections.v3.DownstreamConnectionsConfig, "
                + "max_active_downstream_connections: 9}}",
        ]
        let reduce = action(
            "reduce_timeouts", "scaled: {scaling_threshold: 0.5, saturation_threshold: 0.75}",
            more: ", typed_config: {\"@type\": \(Self.timers), timer_scale_factors: ["
                + "{timer: HTTP_DOWNSTREAM_CONNECTION_IDLE, min_timeout: 2s}, "
                + "{timer: TRANSPORT_SOCKET_CONNECT, min_scale: {value: 10}}]}")
        let spec = try loaded(
            text(
                "refresh_interval: 0.25s, resource_monitors: [\(([Self.heap] + other).joined(separator: ", "))], "
                    + "actions: [\(action("shrink_heap")), \(reduce)], loadshed_points: ["
                    + "{name: envoy.load_shed_points.tcp_listener_accept, triggers: [{name: a, threshold: {value: 1}}]}]"
            )
        ).spec.overload
        #expect(spec.refreshInterval == .milliseconds(250))
        #expect(
            spec.monitors == [
                .init(name: "heap", kind: .fixedHeap(maxBytes: 5)), .init(name: "a", kind: .cgroupMemory(maxBytes: 7)),
                .init(name: "b", kind: .cpu(ofContainer: true)), .init(name: "c", kind: .injected(file: "/f")),
                .init(name: GlobalConnectionLimitSpec.monitorName, kind: .connections),
            ])
        #expect(spec.connectionLimit == .init(limit: 9, source: .monitor))
        #expect(
            spec.actions == [
                .init(point: .shrinkHeap, triggers: [.init(resource: "heap", kind: .threshold(0.9))]),
                .init(
                    point: .reduceTimeouts, triggers: [.init(resource: "heap", kind: .scaled(from: 0.5, to: 0.75))],
                    reductions: [
                        .init(timer: .connectionIdle, least: .amount(.seconds(2))),
                        .init(timer: .handshake, least: .share(0.1)),
                    ]),
                .init(point: .acceptConnection, triggers: [.init(resource: "a", kind: .threshold(1))]),
            ])
    }

    @Test func everyPointHasAName() {
        for point in OverloadPoint.allCases where point != .reduceTimeouts {
            let entry = "{name: \(point.name), triggers: [{name: heap, threshold: {value: 1}}]}"
            #expect(errors(actions: point.isAction ? entry : "", points: point.isAction ? "" : entry) == [])
            #expect(errors(actions: point.isAction ? "" : entry, points: point.isAction ? entry : "").count == 1)
        }
    }

    @Test func listenersAndAdmin() throws {
        let configuration = try loaded(
            """
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}, ignore_global_conn_limit: true}
            """)
        #expect(configuration.spec.admin?.ignoresGlobalLimit == true && configuration.skipped == [])
    }

    @Test func theOldRuntimeKey() throws {
        let key = GlobalConnectionLimitSpec.runtimeKey
        let runtime = "layered_runtime: {layers: [{name: a, static_layer: {\(key): 12}}]}\n"
        let old = try loaded(runtime)
        #expect(old.spec.overload.connectionLimit == .init(limit: 12, source: .runtimeKey))
        #expect(old.warnings.count == 1 && old.skipped == [])
        let monitor =
            "{name: \(GlobalConnectionLimitSpec.monitorName), typed_config: {\"@type\": "
            + "\(Self.monitors).downstream_connections.v3.DownstreamConnectionsConfig, "
            + "max_active_downstream_connections: 9}}"
        let both = try loaded(runtime + text("resource_monitors: [\(monitor)]"))
        #expect(both.spec.overload.connectionLimit == .init(limit: 9, source: .monitor))
        #expect(both.warnings.count == 1)
    }

    @Test func problems() {
        #expect(problemsOf("overload_manager: {}\n").count == 1)
        let cases: [(actions: String, points: String, monitors: String, words: String)] = [
            (action("nope"), "", Self.heap, "there is no overload action"),
            (action("shrink_heaps"), "", Self.heap, "did you mean \"envoy.overload_actions.shrink_heap\"?"),
            (
                "", "{name: nope, triggers: [{name: heap, threshold: {value: 1}}]}", Self.heap,
                "there is no load shed point"
            ),
            (action("reset_high_memory_stream"), "", Self.heap, "Outrider does not have"),
            (
                "",
                "{name: envoy.load_shed_points.connection_pool_new_connection, triggers: [{name: heap, threshold: {value: 1}}]}",
                Self.heap, "Outrider does not have"
            ),
            (action("shrink_heap") + ", " + action("shrink_heap"), "", Self.heap, "is listed twice"),
            (
                "{name: envoy.overload_actions.shrink_heap, triggers: [{name: heaps, threshold: {value: 1}}]}", "",
                Self.heap,
                "there is no resource monitor"
            ),
            (
                "{name: envoy.overload_actions.shrink_heap, triggers: [{name: heap, threshold: {value: 1}}, "
                    + "{name: heap, threshold: {value: 1}}]}", "", Self.heap,
                "two of these name the same resource monitor"
            ),
            (
                action("shrink_heap", "scaled: {scaling_threshold: 0.5, saturation_threshold: 0.5}"), "", Self.heap,
                "must be less than saturation_threshold"
            ),
            (
                "{name: envoy.overload_actions.shrink_heap, triggers: [{name: heap}]}", "", Self.heap,
                "threshold, scaled"
            ),
            (action("reduce_timeouts"), "", Self.heap, "is required: it has the timeouts"),
            (
                action(
                    "shrink_heap",
                    more: ", typed_config: {\"@type\": \(Self.timers), timer_scale_factors: "
                        + "[{timer: TRANSPORT_SOCKET_CONNECT, min_timeout: 1s}]}"), "", Self.heap, "belongs to"
            ),
            (
                action(
                    "reduce_timeouts",
                    more: ", typed_config: {\"@type\": \(Self.timers), timer_scale_factors: "
                        + "[{timer: HTTP_DOWNSTREAM_STREAM_FLUSH, min_timeout: 1s}]}"), "", Self.heap,
                "does not reduce HTTP_DOWNSTREAM_STREAM_FLUSH"
            ),
            (
                action(
                    "reduce_timeouts",
                    more: ", typed_config: {\"@type\": \(Self.timers), timer_scale_factors: "
                        + "[{timer: TRANSPORT_SOCKET_CONNECT, min_timeout: 1s}, {timer: TRANSPORT_SOCKET_CONNECT, min_timeout: 1s}]}"
                ),
                "", Self.heap, "is listed twice"
            ),
            ("", "", Self.heap + ", " + Self.heap, "is the name of another resource monitor"),
            (
                "", "",
                "{name: heap, typed_config: {\"@type\": \(Self.monitors).downstream_connections.v3."
                    + "DownstreamConnectionsConfig, max_active_downstream_connections: 9}}",
                "must be envoy.resource_monitors.global"
            ),
            ("", "", "{name: heap}", "is required"),
        ]
        for one in cases {
            let found = errors(actions: one.actions, points: one.points, monitors: one.monitors)
            #expect(found.count == 1 && found.first?.contains(one.words) == true, "\(one.words): \(found)")
        }
        #expect(problemsOf(text("refresh_interval: 0s, resource_monitors: [\(Self.heap)]")).count == 1)
        #expect(
            problemsOf(
                text(
                    "resource_monitors: [\(Self.heap)], buffer_factory_config: {minimum_account_to_track_power_of_two: 20}"
                )
            ).count == 1)
    }
}
