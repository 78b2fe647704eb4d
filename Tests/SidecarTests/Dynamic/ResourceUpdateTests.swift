// Which resources an update takes away.
import ControlPlane
import Testing

@testable import Sidecar

@Suite struct ResourceUpdateTests {
    private func update(_ names: [String], removed: [String] = [], isWhole: Bool) -> ResourceUpdate {
        var update = ResourceUpdate()
        update.resources = names.map { DiscoveredResource(name: $0, version: "", typeURL: "", bytes: []) }
        update.removed = removed
        update.isWhole = isWhole
        return update
    }

    @Test func theStateOfTheWorldTakesAwayWhatIsNotInIt() {
        #expect(update(["a", "c"], isWhole: true).missing(from: ["a", "b"]) == ["b"])
        #expect(update([], isWhole: true).missing(from: ["a", "b"]) == ["a", "b"])
    }

    @Test func aChangeTakesAwayWhatItNames() {
        #expect(update(["a"], removed: ["b", "x"], isWhole: false).missing(from: ["a", "b", "c"]) == ["b"])
    }

    @Test func whereAResourceHasNoNameNothingIsTakenAway() {
        #expect(update(["a", ""], isWhole: true).missing(from: ["a", "b"]) == [])
        #expect(update([""], removed: ["b"], isWhole: false).missing(from: ["a", "b"]) == ["b"])
    }
}
