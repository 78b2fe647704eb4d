// The small pages about the process: `/server_info`, `/memory`, `/init_dump`.
import Configuration

enum ServerInfoPage {
    static func answer(_ backend: any AdminBackend) -> AdminAnswer {
        let node = backend.configuration.spec.node
        return AdminAnswer(
            .members(
                ("version", .string(backend.version)),
                ("state", .string(backend.state.name)),
                ("uptime_current_epoch", .string("\(backend.uptime.seconds)s")),
                ("uptime_all_epochs", .string("\(backend.uptimeOfAllEpochs.seconds)s")),
                ("hot_restart_version", .string(backend.hotRestartVersion ?? "disabled")),
                ("command_line_options", .object(backend.commandLineOptions.map { (key: $0.name, value: $0.value) })),
                (
                    "node",
                    .members(
                        ("id", .string(node.id)),
                        ("cluster", .string(node.cluster)),
                        ("metadata", ConfigurationDump.metadata(ofNode: backend.configuration.spec.dynamic.node)),
                        (
                            "locality",
                            .members(
                                ("region", .string(node.region)), ("zone", .string(node.zone)),
                                ("sub_zone", .string(node.subZone)))
                        ),
                        ("user_agent_name", .string("outrider")),
                        ("user_agent_version", .string(backend.version)),
                        ("extensions", .array([])))
                )))
    }
}

enum MemoryPage {
    static func answer(_ backend: any AdminBackend) -> AdminAnswer {
        let memory = backend.memory
        func bytes(_ value: UInt64) -> JSONValue { .string("\(value)") }
        return AdminAnswer(
            .members(
                ("allocated", bytes(memory.allocated)),
                ("heap_size", bytes(memory.heap)),
                ("pageheap_unmapped", bytes(0)),
                ("pageheap_free", bytes(memory.heap - min(memory.heap, memory.allocated))),
                ("total_thread_cache", bytes(0)),
                ("total_physical_bytes", bytes(memory.physical)),
                // Envoy has no field for it, and knows no limit.
                ("cgroup_limit", memory.limit.map(bytes))))
    }
}

enum InitDumpPage {
    /// Names as Envoy's init managers have them; `{}` once everything is there.
    static func answer(_ backend: any AdminBackend) -> AdminAnswer {
        let unready = backend.unreadyTargets.filter { !$0.targets.isEmpty }
        return AdminAnswer(
            .members(
                (
                    "unready_targets_dumps",
                    .list(
                        unready.map { one in
                            .members(
                                ("name", .string("init manager \(one.manager)")),
                                ("target_names", .array(one.targets.map(JSONValue.string))))
                        })
                )))
    }
}
