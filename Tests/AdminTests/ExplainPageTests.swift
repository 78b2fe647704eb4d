// `/explain`: what it answers to whom asks how.
import DataPlane
import Reactor
import Testing

@testable import Admin

@Suite struct ExplainPageTests {
    @Test func saysWhatIsKeptWhereThereIsNothing() throws {
        let desk = try Desk()
        desk.backend.flightLogs = [FlightLog(ExplainSpec(), worker: 0)]
        #expect(desk.get("/explain").text.hasPrefix("nothing is recorded. Kept are those that went wrong, and 10 "))
        #expect(desk.get("/explain?failed").text.hasPrefix("nothing that went wrong is recorded. "))
        #expect(desk.get("/explain?format=json").text == "{\n \"records\": []\n}\n")
        let missing = desk.get("/explain?id=a%1b[2J%22")
        #expect(missing.status == 404 && missing.text.contains("x-request-id \"a?[2J\\\"\""))
        var off = ExplainSpec()
        off.maxBytes = 0
        desk.backend.flightLogs = [FlightLog(off, worker: 0)]
        #expect(desk.get("/explain").text.contains("outrider.explain.max_kib is 0"))
    }

    @Test(arguments: ["last=0", "last=-1", "last=1001", "last=a", "format=xml"])
    func refusesWhatItDoesNotKnow(query: String) throws {
        #expect(try Desk().get("/explain?\(query)").status == 400)
    }

    @Test func everyFlagHasAMeaning() {
        for entry in ResponseFlags.names {
            let lines = FlagMeanings.lines(entry.flag)
            #expect(lines.count == 1 && lines[0].hasPrefix("\(entry.short) (\(entry.long)): "))
        }
    }
}
