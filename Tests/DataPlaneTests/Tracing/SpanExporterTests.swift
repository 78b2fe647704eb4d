// Batches: when they go, what waits, and what is dropped.
import HTTPWire
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

/// An exporter over the cluster "c" and its scripted server.
private final class ExportRig {
    let world: World
    let exporter: SpanExporter
    private let record = SpanRecord()
    private let encoder = ZipkinEncoder(.json, serviceName: "s", address: .v4(.loopback))
    private let cells: StatCells

    init(cluster: String = "c", _ change: (inout SpanBatchSpec) -> Void = { _ in }) throws {
        let made = try World()
        var spec = SpanBatchSpec()
        change(&spec)
        var collector = CollectorSpec(cluster: cluster, authority: "zipkin", path: "/spans")
        collector.timeout = .seconds(1)
        cells = made.fixture.store.makeCells()
        let format = SpanFormat.zipkin(encoder)
        exporter = SpanExporter(
            format, spec, to: SpanCollector(collector, format, ProxyIdentity()), loop: made.loop, cells: cells,
            clusters: made.fixture.sets[0])
        world = made
    }

    func add(_ count: Int = 1, tagBytes: Int = 0) {
        for _ in 0..<count {
            record.clear()
            record.context = SpanContext(traceLow: 1, span: 1)
            let value = [UInt8](repeating: 0x61, count: tagBytes)
            value.withUnsafeBytes { record.add("t", ByteView($0)) }
            exporter.add(record)
        }
        world.settle()
    }

    func stat(_ name: String) -> UInt64 { world.fixture.store.snapshot().value("tracing.zipkin." + name) }

    /// Spans of each message that has arrived whole or in part.
    var messages: [Int] {
        world.server.peers.flatMap { peer in
            peer.text.components(of: "POST /spans ").dropFirst().map {
                String($0).components(of: "\"traceId\"").count - 1
            }
        }
    }
}

extension String {
    fileprivate func components(of mark: String) -> [Substring] {
        var (parts, rest): ([Substring], Substring) = ([], self[...])
        while let range = rest.firstRange(of: mark) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return parts + [rest]
    }
}

struct SpanExporterTests {
    @Test func aFullBatchGoesAtOnce() throws {
        let rig = try ExportRig { $0.minSpans = 3 }
        rig.world.server.onBytes = { $0.send(ScriptedServer.ok()) }
        rig.add(2)
        #expect(rig.messages == [])
        rig.add(1)
        rig.world.wait { rig.stat("spans_sent") == 3 }
        #expect(rig.messages == [3])
        #expect(rig.stat("reports_sent") == 1 && rig.stat("timer_flushed") == 0)
        #expect(!rig.exporter.isBusy)
    }

    @Test func anotherGoesWhenItsTimeHasCome() throws {
        let rig = try ExportRig { $0.interval = .seconds(5) }
        rig.world.server.onBytes = { $0.send(ScriptedServer.ok()) }
        rig.add()
        rig.world.advance(.milliseconds(4990))
        #expect(rig.messages == [] && rig.exporter.isBusy)
        rig.world.advance(.milliseconds(20))
        rig.world.wait { rig.stat("spans_sent") == 1 }
        #expect(rig.stat("timer_flushed") == 1)
    }

    @Test func oneMessageIsUnderWayAtATime() throws {
        let rig = try ExportRig { $0.minSpans = 1 }
        rig.add()
        rig.world.wait { rig.messages == [1] }
        rig.add(4)
        #expect(rig.messages == [1])
        rig.world.server.onBytes = { $0.send(ScriptedServer.ok()) }
        rig.world.peer.send(ScriptedServer.ok())
        rig.world.wait { rig.stat("spans_sent") == 5 }
        #expect(rig.messages == [1, 4])
    }

    @Test func spansThatWaitAreBounded() throws {
        let rig = try ExportRig {
            $0.minSpans = 1
            $0.maxSpans = 2
        }
        rig.add()
        rig.world.wait { rig.messages == [1] }
        rig.add(5)
        #expect(rig.stat("spans_dropped") == 3)
    }

    @Test func bytesThatWaitOrAreUnderWayAreBounded() throws {
        let rig = try ExportRig {
            $0.minSpans = 1
            $0.maxBytes = 10_000
        }
        rig.add(tagBytes: 4000)
        rig.world.wait { rig.messages == [1] }
        rig.add(tagBytes: 4000)
        #expect(rig.stat("spans_dropped") == 0)
        rig.add(tagBytes: 4000)
        #expect(rig.stat("spans_dropped") == 1)
        rig.world.server.onBytes = { $0.send(ScriptedServer.ok()) }
        rig.world.peer.send(ScriptedServer.ok())
        rig.world.wait { rig.stat("spans_sent") == 2 }
        rig.add(tagBytes: 4000)
        rig.world.wait { rig.stat("spans_sent") == 3 }
    }

    @Test func aCollectorThatNeverAnswersLosesItsMessage() throws {
        let rig = try ExportRig { $0.minSpans = 1 }
        rig.add(2)
        rig.world.wait { rig.messages == [2] }
        rig.world.advance(.milliseconds(1010))
        rig.world.wait { rig.stat("spans_dropped") == 2 }
        #expect(rig.stat("reports_dropped") == 1 && !rig.exporter.isBusy)
        rig.world.server.onBytes = { $0.send(ScriptedServer.ok()) }
        rig.add()
        rig.world.wait { rig.stat("spans_sent") == 1 }
    }

    @Test(arguments: [("500 No", 0), ("404 No", 0), ("202 Yes", 1)])
    func onlyStatusesOfSuccessCount(_ line: String, _ sent: UInt64) throws {
        let rig = try ExportRig { $0.minSpans = 1 }
        rig.world.server.onBytes = { $0.send("HTTP/1.1 \(line)\r\ncontent-length: 0\r\n\r\n") }
        rig.add()
        rig.world.wait { rig.stat("spans_sent") + rig.stat("spans_dropped") == 1 }
        #expect(rig.stat("spans_sent") == sent)
    }

    @Test func withoutItsClusterNothingIsSent() throws {
        let rig = try ExportRig(cluster: "gone") { $0.minSpans = 1 }
        rig.add()
        rig.world.wait { rig.stat("spans_dropped") == 1 }
        #expect(rig.stat("reports_skipped_no_cluster") == 1 && rig.stat("reports_dropped") == 0)
    }

    @Test func inAHurryNothingWaits() throws {
        let rig = try ExportRig { $0.minSpans = 100 }
        rig.world.server.onBytes = { $0.send(ScriptedServer.ok()) }
        rig.add(2)
        rig.exporter.hurry()
        rig.world.wait { rig.stat("spans_sent") == 2 }
        rig.add()
        rig.world.wait { rig.stat("spans_sent") == 3 }
    }
}
