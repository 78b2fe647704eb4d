// Paths, methods, what is allowed, and the endpoints that change something.
import DataPlane
import Reactor
import Testing

@testable import Admin

@Suite struct DeskTests {
    @Test func knowsItsPaths() throws {
        let desk = try Desk()
        for endpoint in desk.desk.endpoints where !endpoint.isChanging {
            let status = desk.get(endpoint.path).status
            #expect(status == 200 || status == 501, "\(endpoint.path)")
        }
        for path in ["/nothing", "/ready/", "/READY", "", "*"] {
            let answer = desk.get(path)
            #expect(answer.status == 404)
            #expect(answer.text.hasPrefix("invalid path. admin commands are:\n  /: "))
        }
        #expect(desk.get("/help").text.contains("\n  /quitquitquit (POST): "))
    }

    @Test func readinessFollowsTheState() throws {
        let desk = try Desk()
        #expect(desk.get("/ready").text == "LIVE\n")
        for (state, word) in [
            (ServerState.draining, "DRAINING"), (.preInitializing, "PRE_INITIALIZING"), (.initializing, "INITIALIZING"),
        ] {
            desk.backend.state = state
            #expect(desk.get("/ready").status == 503)
            #expect(desk.get("/ready?x").text == word + "\n")
        }
    }

    @Test func whatChangesTheProcessAsksForPost() throws {
        let desk = try Desk()
        for endpoint in desk.desk.endpoints where endpoint.isChanging {
            for method in ["GET", "HEAD", "PUT", "DELETE"] {
                let answer = desk.ask(method, endpoint.path)
                #expect(answer.status == 405)
                #expect(answer.text == "Method \(method) not allowed, POST required.")
            }
        }
        #expect(desk.backend.calls.isEmpty)
        #expect(desk.post("/ready").status == 200)
    }

    @Test func changesReachTheServer() throws {
        let desk = try Desk()
        for path in [
            "/healthcheck/fail", "/healthcheck/ok", "/drain_listeners",
            "/drain_listeners?graceful&inboundonly&skip_exit",
            "/reopen_logs", "/reset_counters",
        ] {
            #expect(desk.post(path).text == "OK\n", "\(path)")
        }
        let drained = [
            "drain inbound=false graceful=false skip=false", "drain inbound=true graceful=true skip=true",
        ]
        #expect(desk.backend.calls == ["fail", "ok"] + drained + ["reopen"])
    }

    @Test func quitsAfterItsAnswer() throws {
        let desk = try Desk()
        #expect(desk.post("/quitquitquit").text == "OK\n")
        #expect(desk.backend.calls.isEmpty)
        desk.loop.turn(maxWait: .zero)
        #expect(desk.backend.calls == ["quit"])
    }

    @Test func resetsCountersButNotGauges() throws {
        let desk = try Desk()
        desk.backend.cells.counter("a.count").add(7)
        desk.backend.cells.gauge("a.level").set(7)
        _ = desk.post("/reset_counters")
        #expect(desk.get("/stats").text == "a.count: 0\na.level: 7\n")
    }

    @Test func allowsOnlyWhatTheFileAllows() throws {
        let desk = try Desk(
            yaml: """
                admin:
                  address: {socket_address: {address: 127.0.0.1, port_value: 0}}
                  allow_paths: [{exact: /ready}, {prefix: /stats}]
                """)
        #expect(desk.get("/ready").status == 200)
        #expect(desk.get("/stats?format=json").status == 200)
        // The matchers see the query, as in Envoy.
        for (method, target) in [("GET", "/ready?x=1"), ("GET", "/"), ("POST", "/quitquitquit"), ("GET", "/nothing")] {
            let answer = desk.ask(method, target)
            #expect(answer.status == 403)
            #expect(answer.text == "request to path \(target) not allowed")
        }
    }

    @Test func thePortForStatsTellsNothingElse() throws {
        let desk = try Desk(access: .stats)
        for endpoint in ChangingEndpoints.all { #expect(desk.post(endpoint.path).status == 404) }
        for path in ["/", "/config_dump", "/explain", "/server_info", "/clusters"] {
            #expect(desk.get(path).status == 404)
        }
        for path in ["/ready", "/stats", "/stats?format=html", "/stats/prometheus"] {
            #expect(desk.get(path).status == 200)
        }
    }

    @Test func changesAskForATokenOrAUserWhereTheFileDoes() throws {
        let path = "/tmp/outrider-token-\(UInt64.random(in: 0 ... .max))"
        try FileContents.write(Array("  sesame\n".utf8), to: path)
        var spec = AdminChangesSpec()
        spec.tokenFile = path
        spec.users = [7]
        let desk = try Desk(changes: spec)
        func post(_ token: String? = nil, user: UInt32? = nil) -> Int {
            desk.desk.answer(AdminRequest(method: "POST", target: "/reopen_logs", token: token, user: user)).status
        }
        #expect(post("sesame") == 200 && post(user: 7) == 200)
        #expect(desk.backend.calls.count == 2)
        for token in [nil, "", "sesam", "sesame ", "Sesame", "sesames"] { #expect(post(token) == 403) }
        #expect(post(user: 0) == 403 && post("x", user: 8) == 403)
        #expect(desk.backend.calls.count == 2)
        #expect(desk.backend.cells.counter("http.admin.rq_change_refused").value == 8)
        let said = desk.post("/quitquitquit").text
        #expect(said.contains("outrider.admin.token_file") && said.contains("outrider.admin.allowed_users"))
        #expect(!said.contains(path))
        // Reading is free, and a method that is none of the endpoint's is told of first.
        #expect(desk.get("/stats").status == 200 && desk.get("/quitquitquit").status == 405)
        // Renewed; then gone, and empty.
        try FileContents.write(Array("open".utf8), to: path)
        #expect(post("open") == 200 && post("sesame") == 403)
        try FileContents.write([], to: path)
        #expect(post("") == 403 && post(nil) == 403)
    }

    @Test func hasNoRuntimeLayerToChange() throws {
        let desk = try Desk()
        #expect(desk.post("/runtime_modify").status == 400)
        #expect(desk.post("/runtime_modify?a=b").status == 503)
        #expect(desk.post("/runtime_modify", form: "a=b").text == "No admin layer specified")
    }
}

@Suite struct LoggingTests {
    @Test func listsLevels() throws {
        let desk = try Desk()
        let list = "active loggers:\n  http: info\n  main: warning\n\n"
        for target in ["/logging", "/logging?", "/logging?level=", "/logging?paths=&level="] {
            #expect(desk.post(target).text == list, "\(target)")
        }
        #expect(desk.backend.calls.isEmpty)
    }

    @Test(arguments: [
        ("level=debug", ["*=debug"]), ("http=trace", ["http=trace"]),
        ("paths=http:off,main:error", ["http=off", "main=error"]), ("paths=&level=critical", ["*=critical"]),
    ])
    func setsLevels(parameters: String, calls: [String]) throws {
        let desk = try Desk()
        #expect(desk.post("/logging?" + parameters).status == 200)
        #expect(desk.backend.calls == calls)
        let other = try Desk()
        #expect(other.post("/logging", form: parameters).status == 200)
        #expect(other.backend.calls == calls)
    }

    @Test(arguments: [
        ("level=loud", "unknown logger level"), ("http=warn", "unknown logger level"),
        ("nobody=debug", "unknown logger name"), ("HTTP=debug", "unknown logger name"),
        ("paths=http:debug,nobody:debug", "unknown logger name"),
        ("paths=http", "empty logger name or empty logger level"),
        ("paths=:debug", "empty logger name or empty logger level"),
        ("level=info&http=debug", "invalid number of parameters"),
        ("group=http:debug", "group parameter requires fine-grain logging to be enabled"),
    ])
    func refusesWhatItDoesNotKnow(parameters: String, reason: String) throws {
        let desk = try Desk()
        let answer = desk.post("/logging?" + parameters)
        #expect(answer.status == 400)
        #expect(answer.text.hasPrefix("error: \(reason)\n\nusage: /logging?<name>=<level> (change single level)\n"))
        #expect(answer.text.hasSuffix("\nactive loggers:\n  http: info\n  main: warning\n\n"))
        // All or nothing.
        #expect(desk.backend.calls.isEmpty)
    }
}

@Suite struct ParameterTests {
    @Test func queriesAreDecoded() {
        let request = AdminRequest(
            method: "GET", target: "/stats?filter=%5Ea%2Eb+c&usedonly&x=%zz&filter=second&y=%ff#z")
        #expect(request.path == "/stats")
        #expect(request.parameters["filter"] == "^a.b+c")
        #expect(request.parameters.has("usedonly"))
        #expect(request.parameters["usedonly"] == nil)
        #expect(request.parameters["x"] == "%zz")
        #expect(request.parameters["y"] == "\u{fffd}")
        #expect(!request.parameters.has("z"))
    }

    @Test func aFormCountsWithoutAQuery() {
        let form = Array("a=1+2&b=%2B".utf8)
        let posted = AdminRequest(method: "POST", target: "/logging", form: form)
        #expect(posted.parameters["a"] == "1 2")
        #expect(posted.parameters["b"] == "+")
        #expect(AdminRequest(method: "POST", target: "/logging?c=3", form: form).parameters["a"] == nil)
    }
}
