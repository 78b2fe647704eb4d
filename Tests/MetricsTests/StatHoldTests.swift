// Stats that are there as long as somebody holds them.
import Testing

@testable import Metrics

struct StatHoldTests {
    @Test func statsGoWithTheLastHold() {
        let store = StatStore()
        let (main, worker) = (store.makeCells(), store.makeCells())
        var first: StatHold? = store.makeHold()
        var second: StatHold? = store.makeHold()
        if let first, let second {
            let names = store.makeNames().held(by: first)
            for cells in [main.held(by: first), worker.held(by: second)] {
                cells.counter("cluster.a.c").increment()
                cells.histogram("cluster.a.h").record(1)
                _ = cells.counter("cluster.a.c")
            }
            _ = names.gauge("cluster.a.g")
            main.held(by: first).textReadout("cluster.a.t").set("x")
            // Another name that begins with the same letters is nobody's business.
            main.counter("cluster.a.b.c").increment()
            worker.held(by: second).counter("cluster.a.c").increment()
        }
        #expect(store.count == 5 && store.snapshot().value("cluster.a.c") == 3)
        first = nil
        #expect(store.snapshot().value("cluster.a.c") == 3)
        #expect(store.snapshot().find("cluster.a.g", .gauge) == nil)
        second = nil
        #expect(store.count == 1 && store.snapshot().value("cluster.a.b.c") == 1)
        #expect(main.counter("n").value == 0)
    }

    @Test func whatWasCountedStaysForASuccessor() {
        let store = StatStore()
        var hold: StatHold? = store.makeHold()
        if let hold { store.makeCells().held(by: hold).counter("c").increment() }
        store.keepReleased()
        hold = nil
        #expect(hold == nil && store.snapshot().value("c") == 1)
    }

    @Test func aThreadThatAsksWithoutAHoldKeepsTheStat() {
        let store = StatStore()
        let cells = store.makeCells()
        var hold: StatHold? = store.makeHold()
        if let hold { cells.held(by: hold).counter("c").increment() }
        cells.counter("c").increment()
        hold = nil
        #expect(store.count == 1 && store.snapshot().value("c") == 2)
    }

    @Test func newStatsGetTheOldPlacesAndStartFromNothing() {
        let store = StatStore()
        let (one, two) = (store.makeCells(), store.makeCells())
        var hold: StatHold? = store.makeHold()
        if let hold {
            for cells in [one.held(by: hold), two.held(by: hold)] {
                cells.counter("a.c").increment()
                cells.gauge("a.g").set(2)
                cells.histogram("a.h").record(7)
            }
        }
        store.mergeHistograms()
        hold = nil
        #expect(store.count == 0)
        for name in ["n.1", "n.2", "n.3"] { #expect(one.counter(name).value == 0) }
        #expect(two.gauge("n.g").value == 0)
        two.histogram("n.h").record(1)
        store.resetCounters()
        store.mergeHistograms()
        let snapshot = store.snapshot()
        #expect(snapshot.find("n.g", .gauge)?.isUsed == false)
        #expect(snapshot.find("n.h", .histogram)?.histogram?.cumulative.map { $0.count } == [1])
        #expect(snapshot.value("n.1") == 0)
        #expect(snapshot.find("n.1", .counter)?.tagExtractedName == "n.1")
    }

    @Test func refusedStatsAreHeldByNobody() {
        var options = StatOptions()
        options.accepts = { !$0.hasPrefix("no.") }
        let store = StatStore(options: options)
        let hold = store.makeHold()
        let cells = store.makeCells().held(by: hold)
        cells.counter("no.c").increment()
        cells.counter("yes.c").increment()
        _ = cells.counter("yes.c")
        #expect(store.count == 1)
    }

    @Test func numbersAreKeptInRows() {
        var ids = StatIDs()
        var known: Set<UInt32> = []
        // Forwards, backwards, and in between.
        let order = Array(UInt32(10)..<20) + (0..<5).reversed().map { UInt32($0) } + [30, 7, 5, 6, 8, 9, 31, .max]
        for id in order + order {
            #expect(ids.insert(id) == known.insert(id).inserted)
        }
        let all = Array(ids.all)
        #expect(Set(all) == known && all.count == known.count)
        #expect(ids.rowCount <= 6)
    }

    @Test func churnDoesNotGrowTheStore() {
        let store = StatStore()
        let cells = store.makeCells()
        func round(_ number: Int) {
            let held = cells.held(by: store.makeHold())
            for leaf in 0..<50 { held.counter("cluster.c\(number).leaf\(leaf)").increment() }
            held.histogram("cluster.c\(number).h").record(UInt64(number))
            store.mergeHistograms()
            _ = store.snapshot()
        }
        for number in 0..<100 { round(number) }
        #expect(store.count == 0)
        #expect(store.snapshot().records.count == 51)
        #expect(store.snapshot().names.fronts.count <= 3)
        #expect(store.snapshot().names.labels.count <= 3)
        #expect(cells.pages.allocatedBytes == 4096)
    }
}
