// The overload manager over resources that the test owns, and what reads the real ones.
import DataPlane
import Glibc
import Logging
import Metrics
import Reactor
import TestKit
import Testing

@testable import Sidecar

/// A resource that is as the test says.
private final class FakeMonitor: ResourceMonitor {
    var value: Double? = 0

    func read(now: MonotonicTime) throws(ResourceFailure) -> Double {
        guard let value else { throw ResourceFailure(description: "gone") }
        return value
    }
}

@Suite struct OverloadManagerTests {
    private let store = StatStore()
    private let cells: StatCells
    private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private let first = FakeMonitor()
    private let second = FakeMonitor()
    private let now = MonotonicTime(ns: 1_000_000_000)

    init() { cells = store.makeCells() }

    private func manager(_ actions: [OverloadActionSpec], release: @escaping () -> Void = {}) -> OverloadManager {
        var spec = OverloadSpec()
        spec.monitors = [
            .init(name: "first", kind: .fixedHeap(maxBytes: 100)), .init(name: "second", kind: .injected(file: "/f")),
        ]
        spec.actions = actions
        return OverloadManager(
            spec, cells: cells, log: log, monitor: { [first, second] spec, _ in spec.name == "first" ? first : second },
            release: release)
    }

    private func trigger(_ resource: String, _ value: Double) -> OverloadTriggerSpec {
        OverloadTriggerSpec(resource: resource, kind: .threshold(value))
    }

    private func stat(_ name: String) -> Int { Int(store.snapshot().value("overload." + name)) }

    @Test func theTriggerThatAsksForMostDecides() {
        let scaled = OverloadTriggerSpec(resource: "first", kind: .scaled(from: 0, to: 1))
        let manager = manager([.init(point: .rejectConnections, triggers: [scaled, trigger("second", 0.9)])])
        first.value = 0.25
        manager.refresh(now: now)
        let name = OverloadPoint.rejectConnections.name
        #expect(abs(manager.state.share(.rejectConnections) - 0.25) < 1e-6)
        #expect(stat("\(name).scale_percent") == 25 && stat("\(name).active") == 0)
        #expect(manager.state.reason(.rejectConnections).contains("first (max_heap_size_bytes 100) is at 25%"))
        second.value = 0.95
        manager.refresh(now: now)
        #expect(manager.state.share(.rejectConnections) == 1 && stat("\(name).active") == 1)
        #expect(manager.state.reason(.rejectConnections).hasSuffix("second (filename '/f') is at 95%, threshold 90%"))
        #expect(stat("first.pressure") == 25 && stat("second.pressure") == 95)
    }

    @Test func whatCannotBeReadStaysAsItWas() {
        let manager = manager([.init(point: .stopAcceptingRequests, triggers: [trigger("first", 0.9)])])
        first.value = 1
        manager.refresh(now: now)
        for (count, value) in [nil, .nan, .infinity, -1].enumerated() {
            first.value = value
            manager.refresh(now: now)
            #expect(manager.state.share(.stopAcceptingRequests) == 1)
            #expect(stat("first.failed_updates") == count + 1 && stat("first.pressure") == 100)
        }
    }

    @Test func workersHearOfWhatConcernsConnectionsAtRest() {
        let manager = manager([
            .init(point: .stopAcceptingRequests, triggers: [trigger("first", 0.9)]),
            .init(point: .stopAcceptingConnections, triggers: [trigger("second", 0.9)]),
        ])
        var told = 0
        manager.changed = { told += 1 }
        manager.refresh(now: now)
        first.value = 1
        manager.refresh(now: now)
        #expect(told == 0)
        second.value = 1
        manager.refresh(now: now)
        manager.refresh(now: now)
        #expect(told == 1)
        second.value = 0
        manager.refresh(now: now)
        #expect(told == 2)
    }

    @Test func memoryIsGivenBackEveryTenSeconds() {
        var released = 0
        let manager = manager([.init(point: .shrinkHeap, triggers: [trigger("first", 0.9)])]) { released += 1 }
        manager.refresh(now: now)
        #expect(released == 0)
        first.value = 1
        for second in 0..<25 { manager.refresh(now: now + .seconds(Int64(second))) }
        #expect(released == 3 && stat("\(OverloadPoint.shrinkHeap.name).shrink_count") == 3)
    }

    @Test func aResourceThatIsMissingIsNoResource() throws {
        let loop = try EventLoop(clock: TestClock())
        second.value = nil
        try manager([]).start(loop: loop, every: .seconds(1))
        first.value = nil
        #expect(throws: ResourceFailure.self) { try manager([]).start(loop: loop, every: .seconds(1)) }
    }

    // MARK: - Monitors

    @Test func freeMemoryDoesNotCountForLong() throws {
        var bytes: UInt64 = 50
        var released = 0
        let release = {
            released += 1
            bytes -= 20
        }
        let heap = HeapMonitor(maxBytes: 100, releasesFrom: 0.8, usage: { bytes }, release: release)
        #expect(try heap.read(now: now) == 0.5 && released == 0)
        bytes = 90
        #expect(try heap.read(now: now) == 0.7 && released == 1)
        bytes = 90
        #expect(try heap.read(now: now + .seconds(9)) == 0.9 && released == 1)
        #expect(try heap.read(now: now + .seconds(10)) == 0.7 && released == 2)
    }

    @Test func memoryOfThisProcessIsKnown() throws {
        #expect(try #require(ProcessMemory.anonymous()) > 1 << 16)
    }

    private func pressure(_ maxBytes: UInt64, _ files: [String: String]) throws -> Double {
        try CgroupMemoryMonitor(maxBytes: maxBytes, CgroupLimits { files[$0] }).read(now: now)
    }

    @Test func theNearestLimitOfACgroupDecides() throws {
        let version2 = [
            "/proc/self/cgroup": "0::/pod/app\n",
            "/sys/fs/cgroup/pod/app/memory.current": "30\n", "/sys/fs/cgroup/pod/app/memory.max": "100\n",
            "/sys/fs/cgroup/pod/memory.current": "160\n", "/sys/fs/cgroup/pod/memory.max": "200\n",
        ]
        #expect(try pressure(0, version2) == 0.8)
        #expect(try pressure(32, version2) == 0.9375)
        let version1 = [
            "/proc/self/cgroup": "5:memory:/docker/1\n0::/\n",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes": "25\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        ]
        #expect(try pressure(0, version1) == 0)
        #expect(try pressure(100, version1) == 0.25)
        #expect(throws: ResourceFailure.self) { try pressure(100, ["/proc/self/cgroup": "0::/\n"]) }
    }

    @Test func aFileHasANumberFromZeroToOne() throws {
        var template = Array("/tmp/outrider-pressure-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            for name in ["/file", "/pipe"] { unlink(folder + name) }
            rmdir(folder)
        }
        let monitor = InjectedMonitor(file: folder + "/file")
        #expect(throws: ResourceFailure.self) { try monitor.read(now: now) }
        for (text, value) in [("0.25\n", 0.25), (" 1", 1), ("0", 0)] {
            try FileContents.write(Array(text.utf8), to: folder + "/file")
            #expect(try monitor.read(now: now) == value)
        }
        for text in ["", "x", "1.01", "-0.1", "nan", String(repeating: "0", count: 100)] {
            try FileContents.write(Array(text.utf8), to: folder + "/file")
            #expect(throws: ResourceFailure.self) { try monitor.read(now: now) }
        }
        // Nobody writes into it: that is nothing to wait for.
        try #require(mkfifo(folder + "/pipe", 0o600) == 0)
        #expect(throws: ResourceFailure.self) { try InjectedMonitor(file: folder + "/pipe").read(now: now) }
    }

    /// A file system that a test changes.
    private final class Files: @unchecked Sendable {
        var text: [String: String] = [:]
    }

    @Test func cpusOfTheMachine() throws {
        let files = Files()
        let monitor = CPUMonitor(.host, CgroupLimits { files.text[$0] })
        files.text["/proc/stat"] = "cpu  100 0 0 900 5 5\ncpu0 1 1 1 1\n"
        #expect(try monitor.read(now: now) == 0)
        files.text["/proc/stat"] = "cpu  150 10 40 900 5 5\n"
        #expect(abs(try monitor.read(now: now) - 0.05) < 1e-9)
        files.text["/proc/stat"] = "cpu  150 10 40 1000 5 5\n"
        #expect(abs(try monitor.read(now: now) - 0.05 * 0.95) < 1e-9)
        for text in ["cpu  150 10 40 1000\n", "cpu  1 1 1 1\n", "cpu  x\n", "intr 1 2 3 4\n", ""] {
            files.text["/proc/stat"] = text
            #expect(throws: ResourceFailure.self) { try monitor.read(now: now) }
        }
    }

    @Test(arguments: [("2", 0.05), ("max", 0.025)])
    func cpusOfTheContainer(quota: String, expected: Double) throws {
        let files = Files()
        let monitor = CPUMonitor(.container, CgroupLimits { files.text[$0] })
        files.text["/proc/self/cgroup"] = "0::/app\n"
        files.text["/proc/self/status"] = "Cpus_allowed_list:\t0-3\n"
        files.text["/sys/fs/cgroup/app/cpu.max"] = quota == "max" ? "max 100000\n" : "200000 100000\n"
        files.text["/sys/fs/cgroup/app/cpu.stat"] = "usage_usec 1000000\nuser_usec 1\n"
        #expect(try monitor.read(now: now) == 0)
        files.text["/sys/fs/cgroup/app/cpu.stat"] = "usage_usec 5000000\nuser_usec 1\n"
        #expect(abs(try monitor.read(now: now + .seconds(2)) - expected) < 1e-9)
        #expect(throws: ResourceFailure.self) { try monitor.read(now: now + .seconds(2)) }
    }

    @Test func cpusOfAVersion1Container() throws {
        let files = Files()
        let monitor = CPUMonitor(.container, CgroupLimits { files.text[$0] })
        #expect(throws: ResourceFailure.self) { try monitor.read(now: now) }
        files.text["/proc/self/cgroup"] = "2:cpuacct:/\n1:cpu:/\n"
        files.text["/proc/self/status"] = "Cpus_allowed_list:\t0\n"
        files.text["/sys/fs/cgroup/cpuacct/cpuacct.usage"] = "1000000000\n"
        #expect(try monitor.read(now: now) == 0)
        files.text["/sys/fs/cgroup/cpuacct/cpuacct.usage"] = "2000000000\n"
        #expect(abs(try monitor.read(now: now + .seconds(1)) - 0.05) < 1e-9)
    }
}
