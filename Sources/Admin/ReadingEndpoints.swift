// The endpoints that only tell: a listener for dashboards and probes may have these and no others.

enum ReadingEndpoints {
    static let all: [AdminEndpoint] = [
        .reading("/", "the home page: all of this, to click") { desk, _ in HomePage.answer(desk) },
        .reading("/help", "the list of endpoints as text") { desk, _ in
            AdminAnswer(HelpPage.text(desk.endpoints))
        },
        .reading("/ready", "the server's state; 200 if LIVE, otherwise 503") { desk, _ in
            let state = desk.backend.state
            let reason = state == .live ? desk.backend.unreadyReason : state.name
            return AdminAnswer((reason ?? state.name) + "\n", status: reason == nil ? 200 : 503)
        },
        .reading("/server_info", "version, state, uptime, command line and node as JSON") { desk, _ in
            ServerInfoPage.answer(desk.backend)
        },
        .reading("/stats", "the stats of the server", StatsPage.parameters) { desk, request in
            StatsPage.answer(desk, request.parameters, isPrometheus: false)
        },
        .reading(
            "/stats/prometheus", "the stats of the server in the Prometheus text format",
            StatsPage.prometheusParameters
        ) { desk, request in
            StatsPage.answer(desk, request.parameters, isPrometheus: true)
        },
        .reading("/stats/recentlookups", "stat names that were looked up (not recorded)") { _, _ in
            AdminAnswer("Lookup tracking is not enabled.\n\ntotal: 0\n")
        },
        .reading(
            "/clusters", "upstream clusters and their hosts",
            [
                .init("filter", .text, "regular expression (RE2) that a part of the cluster's name matches"),
                .init("format", .choice(["text", "json"]), "how to print it"),
            ]
        ) { desk, request in ClustersPage.answer(desk.backend, request.parameters) },
        .reading(
            "/explain", "what became of a request or connection: the latest that went wrong, or one by its id",
            ExplainPage.parameters
        ) { desk, request in ExplainPage.answer(desk, request.parameters) },
        .reading(
            "/listeners", "listeners and their addresses",
            [.init("format", .choice(["text", "json"]), "how to print it")]
        ) { desk, request in ListenersPage.answer(desk.backend, request.parameters) },
        .reading("/config_dump", "the configuration in use; secrets are redacted", ConfigDumpPage.parameters) {
            desk, request in ConfigDumpPage.answer(desk.backend, request.parameters)
        },
        .reading("/certs", "certificates in use and when they expire") { desk, _ in
            CertificatesPage.answer(desk.backend, now: desk.loop.wallNow.unixSeconds)
        },
        .reading("/memory", "memory in use") { desk, _ in MemoryPage.answer(desk.backend) },
        .reading("/memory/tcmalloc", "statistics of TCMalloc (not in this build)") { _, _ in
            notInThisBuild("TCMalloc")
        },
        .reading("/heap_dump", "heap profile (not in this build)") { _, _ in notInThisBuild("heap dumps") },
        .reading("/peak_heap_dump", "heap profile at its peak (not in this build)") { _, _ in
            notInThisBuild("heap dumps")
        },
        .reading("/runtime", "runtime values by layer") { desk, _ in RuntimePage.answer(desk.backend) },
        .reading(
            "/init_dump", "what the start still waits for",
            [.init("mask", .text, "the component whose targets to print: only \"listener\" in Envoy; everything here")]
        ) { desk, _ in InitDumpPage.answer(desk.backend) },
        .reading("/contention", "mutex contention (not traced)") { _, _ in
            AdminAnswer("Mutex contention tracing is not enabled.")
        },
        .reading("/hot_restart_version", "hot restart compatibility version") { desk, _ in
            AdminAnswer(desk.backend.hotRestartVersion ?? "disabled")
        },
    ]
}

/// What Envoy says of tools that it was built without.
func notInThisBuild(_ what: String) -> AdminAnswer {
    AdminAnswer("The current build does not support \(what)", status: 501)
}
