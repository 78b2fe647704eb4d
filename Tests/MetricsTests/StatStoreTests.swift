// Tests of the store: cells of several threads, reset, refusal, and reading while others write.
import Dispatch
import Testing

@testable import Metrics

@Suite struct StatStoreTests {
    private func names(_ store: StatStore) -> [String] {
        store.snapshot().stats.map { $0.name }
    }

    @Test func addsUpTheThreads() {
        let store = StatStore()
        let one = store.makeCells()
        let two = store.makeCells()
        one.counter("a.c").add(3)
        two.counter("a.c").increment()
        one.gauge("a.g").increment()
        two.gauge("a.g").add(-3)
        two.gauge("a.g").set(7)
        one.gauge("a.g").decrement()
        let snapshot = store.snapshot()
        #expect(snapshot.value("a.c") == 4)
        #expect(snapshot.value("a.g") == 7)
        #expect(one.counter("a.c").value == 3)
        #expect(two.gauge("a.g").value == 7)
        #expect(store.count == 2)
        #expect(names(store) == ["a.c", "a.g"])
    }

    @Test func sameNameSameCell() {
        let cells = StatStore().makeCells()
        cells.counter("x").increment()
        cells.counter("x").increment()
        #expect(cells.counter("x").value == 2)
        // Another kind of the same name is another stat.
        #expect(cells.gauge("x").value == 0)
    }

    @Test func aCounterOutlivesItsStore() {
        let counter = StatStore().makeCells().counter("x")
        counter.increment()
        #expect(counter.value == 1)
    }

    @Test func knowsWhatWasEverWritten() {
        let store = StatStore()
        let cells = store.makeCells()
        _ = cells.counter("c0")
        cells.counter("c1").increment()
        _ = cells.gauge("g0")
        cells.gauge("g1").set(0)
        let up = cells.gauge("g2")
        up.increment()
        up.decrement()
        _ = cells.textReadout("t0")
        cells.textReadout("t1").set("")
        let used = store.snapshot().stats.filter { $0.isUsed }.map { $0.name }
        #expect(used == ["c1", "g1", "g2", "t1"])
    }

    @Test func namesAreShownAndWrittenByOthers() {
        let store = StatStore()
        var hold: StatHold? = store.makeHold()
        let known = store.makeNames()
        let cells = store.makeCells()
        // Enough for several pages of either kind, gauges and counters mixed.
        for number in 0..<700 {
            guard let hold else { return }
            let names = known.held(by: hold)
            _ = names.counter("n.c\(number)")
            _ = names.gauge("n.g\(number)")
            cells.counter("w.c\(number)").add(UInt64(number))
            cells.gauge("w.g\(number)").set(Int64(number))
        }
        known.counter("n.c1").add(5)
        known.gauge("n.g1").set(5)
        known.histogram("n.h").record(5)
        #expect(store.count == 2801 && store.snapshot().stats.filter(\.isUsed).count == 1399)
        cells.counter("n.c1").add(7)
        cells.gauge("n.g699").set(8)
        let snapshot = store.snapshot()
        #expect(snapshot.value("n.c1") == 7 && snapshot.value("n.g1") == 0 && snapshot.value("n.g699") == 8)
        for number in 0..<700 {
            #expect(snapshot.value("w.c\(number)") == UInt64(number))
            #expect(snapshot.value("w.g\(number)") == UInt64(number))
        }
        hold = nil
        // With those of them that somebody has asked for without a hold.
        #expect(store.count == 1404 && store.snapshot().value("n.c1") == 7)
    }

    @Test func resetsCounters() {
        let store = StatStore()
        let cells = store.makeCells()
        let counter = cells.counter("c")
        counter.add(5)
        cells.gauge("g").set(5)
        store.resetCounters()
        #expect(store.snapshot().value("c") == 0)
        #expect(store.snapshot().value("g") == 5)
        #expect(store.snapshot().find("c", .counter)?.isUsed == true)
        counter.add(2)
        #expect(store.snapshot().value("c") == 2)
        store.resetCounters()
        #expect(store.snapshot().value("c") == 0)
    }

    @Test func aGaugeMayUseAll64BitsButIsNeverJustBelowZero() {
        let store = StatStore()
        let cells = store.makeCells()
        cells.gauge("hash").set(bits: 17_241_709_254_077_376_921)
        cells.gauge("torn").decrement()
        #expect(store.snapshot().value("hash") == 17_241_709_254_077_376_921)
        #expect(store.snapshot().value("torn") == 0)
    }

    @Test func aRefusedStatIsNotThere() {
        var options = StatOptions()
        options.accepts = { !$0.hasPrefix("cluster.") }
        let store = StatStore(options: options)
        let cells = store.makeCells()
        cells.counter("cluster.a.x").increment()
        cells.gauge("cluster.a.g").set(4)
        cells.histogram("cluster.a.h").record(1)
        cells.textReadout("cluster.a.t").set("x")
        cells.counter("server.x").increment()
        store.mergeHistograms()
        #expect(names(store) == ["server.x"])
    }

    @Test func sortsAsEnvoy() {
        let store = StatStore()
        let cells = store.makeCells()
        for name in ["cluster.web_b.x", "cluster.web.x", "cluster.web-a.x"] { _ = cells.counter(name) }
        // The page of all stats compares bytes.
        #expect(names(store) == ["cluster.web-a.x", "cluster.web.x", "cluster.web_b.x"])
        // The Prometheus page compares tokens.
        #expect(
            String(decoding: PrometheusText.render(store.snapshot()), as: UTF8.self) == """
                # TYPE envoy_cluster_x counter
                envoy_cluster_x{envoy_cluster_name="web"} 0
                envoy_cluster_x{envoy_cluster_name="web-a"} 0
                envoy_cluster_x{envoy_cluster_name="web_b"} 0

                """)
    }

    @Test func countsRightWhileOthersRead() {
        let store = StatStore()
        let rounds = 20_000
        let cells = (0..<4).map { _ in store.makeCells() }
        DispatchQueue.concurrentPerform(iterations: 5) { thread in
            if thread == 4 {
                for _ in 0..<50 {
                    store.mergeHistograms()
                    _ = PrometheusText.render(store.snapshot())
                }
                return
            }
            let mine = cells[thread]
            let counter = mine.counter("c")
            let gauge = mine.gauge("g")
            let histogram = mine.histogram("h")
            for round in 0..<rounds {
                counter.increment()
                gauge.increment()
                histogram.record(UInt64(round))
                if round % 1000 == 0 { mine.counter("dynamic.\(thread).\(round)").increment() }
            }
        }
        store.mergeHistograms()
        let snapshot = store.snapshot()
        #expect(snapshot.value("c") == UInt64(4 * rounds))
        #expect(snapshot.value("g") == UInt64(4 * rounds))
        let total = snapshot.find("h", .histogram)?.histogram.map { HistogramFigures.count($0.cumulative) }
        #expect(total == UInt64(4 * rounds))
        #expect(store.count == 3 + 4 * 20)
    }

    @Test func aRecordIsSmall() {
        #expect(MemoryLayout<StatRecord>.stride == 8)
        #expect(MemoryLayout<Counter>.size == 8)
    }

    @Test(arguments: StatKind.allCases)
    func aRecordKeepsWhatItWasMadeOf(_ kind: StatKind) throws {
        for (front, back) in [(UInt32(0), UInt32(0)), (1, 2), (0xFF_FFFF, 0xF_FFFF)] {
            for unit in [HistogramUnit.unspecified, .percent] {
                var record = try #require(StatRecord(front: front, back: back, kind: kind, unit: unit))
                #expect(!record.isAlive)
                record.hold()
                record.hold()
                let isNamed = record.isNamed(front: front, back: back, kind: kind)
                #expect(isNamed && record.unit == unit && record.isAlive)
                #expect(record.hash == StatRecord.hash(front: front, back: back, kind: kind))
                let ends = (0..<3).map { _ in record.letGo() }
                #expect(ends == [false, true, false])
                #expect(!record.isAlive)
                // A stat that more hold than it can count stays for good.
                for _ in 0..<40_000 { record.hold() }
                let hasEnded = (0..<40_000).contains { _ in record.letGo() }
                #expect(!hasEnded)
                #expect(record.isAlive && record.front == front && record.back == back && record.kind == kind)
            }
        }
        #expect(StatRecord(front: 1 << 24, back: 0, kind: kind, unit: .bytes) == nil)
        #expect(StatRecord(front: 0, back: 1 << 20, kind: kind, unit: .bytes) == nil)
    }
}

@Suite struct StatLimitTests {
    @Test func whatThereIsNoRoomForIsCountedAndNotKept() {
        var options = StatOptions()
        options.maxStats = 3
        let store = StatStore(options: options)
        let (one, other) = (store.makeCells(), store.makeCells())
        for name in ["a", "b", "c", "d", "e"] { one.counter(name).add(2) }
        one.histogram("h").record(1)
        one.textReadout("t").set("x")
        // What there is may be had by others, too.
        other.counter("c").add(1)
        other.counter("d").add(1)
        store.mergeHistograms()
        let snapshot = store.snapshot()
        #expect(snapshot.stats.map(\.name) == ["a", "b", "c"])
        #expect(snapshot.value("c") == 3 && snapshot.value("d") == 0)
        #expect(store.overflowed == 5)
    }

    @Test func roomThatIsGivenBackIsRoom() {
        var options = StatOptions()
        options.maxStats = 2
        let store = StatStore(options: options)
        let cells = store.makeCells()
        _ = cells.counter("a")
        var hold: StatHold? = store.makeHold()
        if let hold { _ = cells.held(by: hold).counter("b") }
        _ = cells.counter("c")
        #expect(store.count == 2 && store.overflowed == 1)
        hold = nil
        _ = cells.counter("c")
        #expect(store.snapshot().stats.map(\.name) == ["a", "c"])
    }
}
