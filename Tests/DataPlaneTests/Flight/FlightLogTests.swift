// What is kept of records, and how they are found again.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

@Suite struct FlightLogTests {
    let store = StatStore()

    private func spec(kibibytes: Int = 64, others: Int = 3) -> ExplainSpec {
        var spec = ExplainSpec()
        spec.maxBytes = kibibytes << 10
        spec.othersPerSecond = others
        return spec
    }

    private func write(
        _ recorder: FlightRecorder?, _ id: String, began: Int64, failed: Bool = true, path: String = "/"
    ) {
        recorder?.begin(isRequest: true, isFailure: failed)
        recorder?.add(.requestID, id, limit: FlightRecorder.idLimit)
        recorder?.add(.began, UInt64(began))
        recorder?.add(.path, path)
        recorder?.end()
    }

    private func ids(_ records: [FlightRecord]) -> [String] { records.map { $0.text(.requestID) } }

    @Test func theLatestComeFirstWhicheverWorkerHasThem() throws {
        let logs = (0..<2).map { FlightLog(spec(), worker: $0) }
        let recorders = logs.map { FlightRecorder($0, store.makeCells()) }
        for number in 0..<6 { write(recorders[number % 2], "r\(number)", began: Int64(number), failed: number != 4) }
        let all = FlightLog.latest(4, of: logs) { _ in true }
        #expect(ids(all) == ["r5", "r4", "r3", "r2"])
        #expect(all.map(\.worker) == [1, 0, 1, 0] && all.map(\.isFailure) == [true, false, true, true])
        #expect(ids(FlightLog.latest(9, of: logs) { $0.has(id: "r2") }) == ["r2"])
        #expect(FlightLog.latest(9, of: logs) { $0.has(id: "r") }.isEmpty)
        #expect(FlightLog.latest(-1, of: logs) { _ in true }.isEmpty)
    }

    @Test func roomIsBoundedAndWhatMakesRoomIsCounted() throws {
        let log = FlightLog(spec(), worker: 0)
        let recorder = FlightRecorder(log, store.makeCells())
        let path = String(repeating: "x", count: 500)
        for number in 0..<5000 { write(recorder, "f\(number)", began: Int64(number), path: path) }
        for number in 0..<5000 { write(recorder, "o\(number)", began: Int64(number), failed: false, path: path) }
        #expect(log.byteCount <= 64 << 10)
        let left = FlightLog.latest(.max, of: [log]) { _ in true }
        #expect(UInt64(left.count) + log.overwritten == 10_000)
        #expect(store.snapshot().value("explain.recorded") == 10_000)
        #expect(store.snapshot().value("explain.overwritten") == log.overwritten)
        // What went well has not pushed out what did not, and of each the last is there.
        let failures = left.filter(\.isFailure)
        #expect(failures.count > 100 && failures.first?.text(.requestID) == "f4999")
        #expect(left.contains { $0.has(id: "o4999") })
        #expect(left.allSatisfy { $0.text(.path).utf8.count == FlightRecorder.textLimit })
    }

    @Test func aLongRecordIsCutAndAnIDIsFoundByWhatIsKept() throws {
        let log = FlightLog(spec(), worker: 0)
        let recorder = FlightRecorder(log, store.makeCells())
        let id = String(repeating: "i", count: 300)
        recorder?.begin(isRequest: false, isFailure: true)
        recorder?.add(.requestID, id, limit: FlightRecorder.idLimit)
        for _ in 0..<100 { recorder?.add(.tryDetail, String(repeating: "d", count: 250)) }
        recorder?.add(.connectionID, 17)
        recorder?.end()
        let records = FlightLog.latest(9, of: [log]) { _ in true }
        #expect(records.count == 1 && log.byteCount <= 4002)
        #expect(records.first?.has(id: id) == true)
        #expect(records.first?.isRequest == false)
        // A number still had room.
        #expect(records.first?.has(id: "17") == true && records.first?.has(id: "170") == false)
    }

    @Test func someOfWhatGoesWellIsTakenEachSecond() throws {
        let recorder = FlightRecorder(FlightLog(spec(others: 3), worker: 0), store.makeCells())
        func taken(at second: Double) -> Int {
            (0..<10).count { _ in recorder?.takesOther(now: MonotonicTime(ns: UInt64(second * 1e9))) == true }
        }
        #expect(taken(at: 5) == 3 && taken(at: 5.9) == 0 && taken(at: 6) == 3)
        let none = FlightRecorder(FlightLog(spec(others: 0), worker: 0), store.makeCells())
        #expect(none?.takesOther(now: MonotonicTime(ns: 1)) == false)
        #expect(FlightRecorder(FlightLog(spec(kibibytes: 0), worker: 0), store.makeCells()) == nil)
    }
}
