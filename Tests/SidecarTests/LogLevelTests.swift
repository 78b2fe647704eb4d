// Levels of components: names known from the start, and lists from the command line.
import Testing

@testable import Sidecar

struct LogLevelTests {
    @Test func allComponentsAreThereFromTheStart() {
        let levels = LogLevels(level: "warning")
        #expect(levels.list().map(\.name) == LogLevels.names)
        #expect(levels.list().allSatisfy { $0.level == "warning" })
        #expect(Set(LogLevels.names).count == LogLevels.names.count)
        #expect(levels.component("upstream").name == "upstream")
        #expect(levels.component("somebody else's library").name == "misc")
    }

    @Test func levelsAreSetByName() {
        let levels = LogLevels(level: "info")
        #expect(levels.set("upstream", "debug"))
        #expect(!levels.set("upstraem", "debug"))
        #expect(!levels.set("upstream", "loud"))
        #expect(levels.list().filter { $0.level != "info" }.map(\.name) == ["upstream"])
        #expect(levels.setAll("off"))
        #expect(!levels.setAll("loud"))
        #expect(levels.list().allSatisfy { $0.level == "off" })
    }

    @Test func listsOfLevels() throws {
        #expect(try ComponentLogLevels("").entries.isEmpty)
        let entries = try ComponentLogLevels("upstream:debug,http:warn").entries
        #expect(entries.map(\.name) == ["upstream", "http"])
        #expect(entries.map(\.level) == ["debug", "warn"])
    }

    @Test(arguments: [
        ("upstream", "'upstream' is not component:level"),
        ("upstream:debug,", "'' is not component:level"),
        ("a:b:c", "'a:b:c' is not component:level"),
        ("foo:debug", "there is no component 'foo'; it is one of a2a, admin, "),
        ("http:loud", "'loud' is no level; it is one of trace, debug, info, warning, error, critical, off"),
    ])
    func listsThatAreRefused(text: String, reason: String) {
        let error = #expect(throws: ComponentLogLevelError.self) { try ComponentLogLevels(text) }
        #expect(error?.description.hasPrefix(reason) == true)
    }
}
