// The endpoints that change the process. All of them ask for POST.

enum ChangingEndpoints {
    static let all: [AdminEndpoint] = [
        .changing("/healthcheck/fail", "makes the server fail health checks") { desk, _ in
            desk.backend.failHealthCheck()
            return .ok
        },
        .changing("/healthcheck/ok", "makes the server pass health checks again") { desk, _ in
            desk.backend.passHealthCheck()
            return .ok
        },
        .changing(
            "/drain_listeners", "closes the listeners",
            [
                .init("graceful", .flag, "first close connections with their responses, for --drain-time-s"),
                .init("inboundonly", .flag, "only listeners with traffic_direction INBOUND"),
                .init("skip_exit", .flag, "with graceful: drain connections, but leave the listeners open"),
            ]
        ) { desk, request in
            desk.backend.drainListeners(
                inboundOnly: request.parameters.has("inboundonly"), graceful: request.parameters.has("graceful"),
                skipExit: request.parameters.has("skip_exit"))
            return .ok
        },
        .changing("/logging", "shows and changes log levels", LoggingAction.parameters) { desk, request in
            LoggingAction.answer(desk.backend, request.parameters)
        },
        .changing("/reset_counters", "sets all counters to zero") { desk, _ in
            desk.backend.stats.resetCounters()
            return .ok
        },
        .changing("/reopen_logs", "opens the log files anew") { desk, _ in
            desk.backend.reopenLogs()
            return .ok
        },
        .changing("/quitquitquit", "ends the server") { desk, _ in
            // The answer goes first.
            desk.loop.later { [backend = desk.backend] in backend.quit() }
            return .ok
        },
        .changing("/runtime_modify", "changes runtime values (needs a layer that can be changed: there is none)") {
            _, request in
            guard !request.parameters.isEmpty else {
                return AdminAnswer(
                    "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"
                        + "       or send the parameters as form values\n"
                        + "use an empty value to remove a previously added override", status: 400)
            }
            return AdminAnswer("No admin layer specified", status: 503)
        },
        .changing("/cpuprofiler", "CPU profiler (not in this build)") { _, _ in notInThisBuild("cpu profiler") },
        .changing("/heapprofiler", "heap profiler (not in this build)") { _, _ in notInThisBuild("heap profiler") },
        .changing("/allocprofiler", "allocation profiler (not in this build)") { _, _ in
            notInThisBuild("allocation profiler")
        },
        .changing("/stats/recentlookups/enable", "records stat names that are looked up (not in this build)") { _, _ in
            notInThisBuild("lookup tracking: stat names are resolved when the configuration is loaded")
        },
        .changing("/stats/recentlookups/disable", "stops recording stat names") { _, _ in .ok },
        .changing("/stats/recentlookups/clear", "forgets recorded stat names") { _, _ in .ok },
    ]
}
