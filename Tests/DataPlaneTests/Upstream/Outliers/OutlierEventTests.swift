// The event log: lines as the real Envoy 1.40 has written them.
import Glibc
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct OutlierEventTests {
    private func line(_ action: OutlierEvent.Action, since: TimeAmount?, wall: Int64, cluster: String = "two") -> String
    {
        let event = OutlierEvent(
            action: action, time: WallTime(unixNanoseconds: wall), sinceLast: since, cluster: cluster,
            address: .v4(.loopback, port: 39471), ejections: 2)
        var arena = ByteArena()
        event.append(to: &arena)
        return arena.view.string
    }

    @Test func lines() throws {
        #expect(
            line(.eject(.serverErrors, .consecutive, enforced: true), since: nil, wall: 1_796_059_848_116_000_000)
                == """
                {"type":"CONSECUTIVE_5XX","timestamp":"2026-11-30T17:30:48.116Z","cluster_name":"two","upstream_url":\
                "127.0.0.1:39471","action":"EJECT","num_ejections":2,"enforced":true,"eject_consecutive_event":{}}

                """)
        #expect(
            line(.uneject, since: .milliseconds(2999), wall: 1_796_059_848_006_999_999)
                == """
                {"type":"CONSECUTIVE_5XX","timestamp":"2026-11-30T17:30:48.006Z","secs_since_last_action":"2",\
                "cluster_name":"two","upstream_url":"127.0.0.1:39471","action":"UNEJECT","num_ejections":2,\
                "enforced":false}

                """)
        let rates = try #require(SuccessRates([35, 100, 100, 100, 100], stdevFactor: 1))
        #expect(
            line(
                .eject(.successRate, .successRate(host: 35.9, rates), enforced: true), since: .zero,
                wall: 1_796_059_848_000_000_000, cluster: "a\"b\n")
                    == """
                    {"type":"SUCCESS_RATE","timestamp":"2026-11-30T17:30:48Z","secs_since_last_action":"0",\
                    "cluster_name":"a\\"b\\n","upstream_url":"127.0.0.1:39471","action":"EJECT","num_ejections":2,\
                    "enforced":true,"eject_success_rate_event":{"host_success_rate":35,"cluster_average_success_rate":87,\
                    "cluster_success_rate_ejection_threshold":61}}

                    """)
        #expect(
            line(
                .eject(.localOriginFailurePercentage, .failurePercentage(host: 0), enforced: false), since: nil, wall: 0
            )
                == """
                {"type":"FAILURE_PERCENTAGE_LOCAL_ORIGIN","timestamp":"1970-01-01T00:00:00Z","cluster_name":"two",\
                "upstream_url":"127.0.0.1:39471","action":"EJECT","num_ejections":2,"enforced":false,\
                "eject_failure_percentage_event":{"host_success_rate":0}}

                """)
    }

    @Test(arguments: [
        (OutlierCause.gatewayFailures, "CONSECUTIVE_GATEWAY_FAILURE"),
        (.localOriginFailures, "CONSECUTIVE_LOCAL_ORIGIN_FAILURE"), (.failurePercentage, "FAILURE_PERCENTAGE"),
        (.localOriginSuccessRate, "SUCCESS_RATE_LOCAL_ORIGIN"),
    ])
    func types(cause: OutlierCause, name: String) {
        #expect(
            line(.eject(cause, .consecutive, enforced: false), since: nil, wall: 0).hasPrefix("{\"type\":\"\(name)\","))
    }

    /// A threshold below nothing, as among hosts that differ much, is 0 here.
    @Test func figuresOutOfRange() throws {
        let rates = try #require(SuccessRates([0, 100], stdevFactor: 9))
        #expect(rates.threshold < 0)
        let text = line(
            .eject(.successRate, .successRate(host: 120, rates), enforced: true), since: .seconds(-3), wall: 0)
        #expect(text.contains("\"host_success_rate\":100,"))
        #expect(text.contains("\"cluster_success_rate_ejection_threshold\":0}"))
        #expect(text.contains("\"secs_since_last_action\":\"0\""))
    }

    @Test func whatADetectorWrites() throws {
        var template = Array("/tmp/outrider-outliers-XXXXXX".utf8CString)
        let made = try #require(mkdtemp(&template))
        let directory = String(cString: made)
        let path = directory + "/events"
        defer {
            unlink(path)
            rmdir(directory)
        }
        let writer = try EventLoop()
        let stats = StatStore()
        let sinks = AccessLogSinks(options: AccessLogOptions(), writer: writer.mailbox, cells: stats.makeCells())
        let log = try OutlierEventLog(path: path, loop: writer, sinks: sinks, cells: stats.makeCells())
        let bare = try BareDetector(hosts: 1, events: log) {
            $0.serverErrors.threshold = 2
            $0.gatewayFailures = OutlierSpec.Consecutive(threshold: 1, enforcing: 0)
            $0.baseEjectionTime = .seconds(5)
        }
        bare.detector.start()
        func fail() {
            bare.hosts[0].state.monitor?.record(.failed, worker: 0)
            bare.loop.turnWhileBusy()
        }
        fail()
        fail()
        bare.clock.advance(by: .milliseconds(12_500))
        bare.loop.turnWhileBusy()
        fail()
        log.flush()
        writer.turnWhileBusy()
        let lines = String(decoding: try FileContents.read(path), as: UTF8.self).split(separator: "\n")
        func words(_ line: Substring) -> [String] {
            let fields = line.dropFirst().dropLast().split(separator: ",")
            return ["type", "action", "num_ejections", "enforced", "secs_since_last_action"].map { key in
                let start = "\"\(key)\":"
                guard let field = fields.first(where: { $0.hasPrefix(start) }) else { return "-" }
                return field.dropFirst(start.count).filter { $0 != "\"" }
            }
        }
        #expect(
            lines.map(words) == [
                ["CONSECUTIVE_GATEWAY_FAILURE", "EJECT", "0", "false", "-"],
                ["CONSECUTIVE_GATEWAY_FAILURE", "EJECT", "0", "false", "-"],
                ["CONSECUTIVE_5XX", "EJECT", "1", "true", "-"],
                ["CONSECUTIVE_5XX", "UNEJECT", "1", "false", "12"],
                ["CONSECUTIVE_GATEWAY_FAILURE", "EJECT", "1", "false", "0"],
            ])
        #expect(lines.first?.contains("\"timestamp\":\"2024-01-01T00:00:00Z\"") == true)
    }

    @Test func aFileThatCannotBeOpened() throws {
        let loop = try EventLoop()
        let stats = StatStore()
        let sinks = AccessLogSinks(options: AccessLogOptions(), writer: loop.mailbox, cells: stats.makeCells())
        #expect(throws: SystemError.self) {
            try OutlierEventLog(path: "/no/such/folder/log", loop: loop, sinks: sinks, cells: stats.makeCells())
        }
    }
}
