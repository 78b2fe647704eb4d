// Pages in pieces say what whole pages say, and no piece is much work.
import Testing

@testable import Metrics

@Suite struct StatPageTests {
    private func filled(_ count: Int = 5000) -> StatStore {
        let store = StatStore()
        let cells = store.makeCells()
        for number in 0..<count {
            // In no order at all.
            let name = "cluster.c\(number &* 7919 % count).upstream_rq"
            cells.counter("\(name)_200").add(UInt64(number))
            cells.gauge("\(name)_active").set(1)
            if number % 10 == 0 { cells.histogram("\(name)_time").record(UInt64(number)) }
        }
        cells.textReadout("server.version").set("a\"b")
        store.mergeHistograms()
        return store
    }

    private func pieces(_ page: StatPage) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        while let piece = page.next() { pieces.append(piece) }
        #expect(page.next() == nil)
        return pieces
    }

    @Test func piecesAreThePage() {
        let store = filled()
        var filter = StatFilter()
        filter.kinds = [.counter, .histogram, .textReadout]
        var options = PrometheusText.Options()
        options.textReadouts = true
        let made = [
            pieces(StatPage(prometheus: options, of: store)),
            pieces(StatPage(text: filter, histograms: .detailed, of: store)),
            pieces(StatPage(json: filter, histograms: .summary, of: store)),
        ]
        let snapshot = store.snapshot()
        let whole = [
            PrometheusText.render(snapshot, options), StatsText.render(snapshot, filter, histograms: .detailed),
            StatsJSON.render(snapshot, filter, histograms: .summary),
        ]
        for (pieces, page) in zip(made, whole) {
            #expect(Array(pieces.joined()) == page)
            #expect(pieces.count { !$0.isEmpty } > 5)
            #expect(pieces.allSatisfy { $0.count < 40 << 10 })
        }
    }

    @Test func workThatWritesNothingComesInPiecesToo() {
        let store = filled()
        var filter = StatFilter()
        filter.accepts = { _ in false }
        let all = pieces(StatPage(text: filter, histograms: .summary, of: store))
        #expect(all.joined().isEmpty && all.count > 10)
        // What has been worked out stays while no stat comes or goes.
        let again = pieces(StatPage(text: filter, histograms: .summary, of: store))
        #expect(again.count < all.count / 2)
    }

    @Test func aPageIsAsOfItsFirstPieces() throws {
        let store = filled(3000)
        let cells = store.makeCells()
        let page = StatPage(text: StatFilter(), histograms: .summary, of: store)
        var text: [UInt8] = []
        while text.isEmpty { text += try #require(page.next()) }
        cells.counter("cluster.c0.upstream_rq_200").add(1_000_000)
        _ = cells.counter("new")
        while let piece = page.next() { text += piece }
        let lines = String(decoding: text, as: UTF8.self)
        #expect(lines.contains("cluster.c0.upstream_rq_200: 0\n") && !lines.contains("new"))
    }

    @Test(arguments: [0, 1, 2, 511, 512, 513, 1024, 2048, 2049, 5000, 10_000])
    func sortsAsTheLibraryDoes(count: Int) {
        var state: UInt64 = 1
        let keys = (0..<count).map { _ -> [UInt8] in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Array("\(state >> 50)".utf8)
        }
        var sort = StepwiseSort(count: count)
        var steps = 0
        while sort.step(key: { $1 += keys[$0] }) { steps += 1 }
        let sorted = keys.sorted { $0.lexicographicallyPrecedes($1) }
        #expect(sort.result.map { keys[Int($0)] } == sorted)
        #expect(Set(sort.result).count == count)
        #expect(steps > count / 2048)
    }
}
