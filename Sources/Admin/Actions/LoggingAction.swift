// `/logging`: shows log levels and changes them.

enum LoggingAction {
    static let levels = ["trace", "debug", "info", "warning", "error", "critical", "off"]

    static let parameters: [AdminEndpoint.Parameter] = [
        .init("paths", .text, "levels of several components: <name1>:<level1>,<name2>:<level2>"),
        .init("level", .choice([""] + levels), "the level of all components"),
    ]

    /// One change: of a component, or of all of them (nil).
    private struct Change {
        let component: String?
        let level: String
    }

    private struct Refusal: Error {
        let text: String
    }

    static func answer(_ backend: any AdminBackend, _ parameters: AdminParameters) -> AdminAnswer {
        do throws(Refusal) {
            let known = Set(backend.logLevels.map(\.name))
            let changes = try changes(parameters)
            // All or nothing.
            for change in changes {
                if let component = change.component, !known.contains(component) {
                    throw Refusal(text: "unknown logger name")
                }
                guard levels.contains(change.level) else { throw Refusal(text: "unknown logger level") }
            }
            for change in changes where !backend.setLogLevel(change.level, of: change.component) {
                throw Refusal(text: "unknown logger level")
            }
            return AdminAnswer(list(backend))
        } catch {
            let usage =
                "usage: /logging?<name>=<level> (change single level)\n"
                + "usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n"
                + "usage: /logging?level=<level> (change all levels)\n"
                + "levels: " + levels.map { $0 + " " }.joined() + "\n"
            return AdminAnswer("error: \(error.text)\n\n" + usage + list(backend), status: 400)
        }
    }

    private static func list(_ backend: any AdminBackend) -> String {
        "active loggers:\n" + backend.logLevels.map { "  \($0.name): \($0.level)\n" }.joined() + "\n"
    }

    private static func changes(_ parameters: AdminParameters) throws(Refusal) -> [Change] {
        // A browser sends every field of the form.
        let given = parameters.pairs.filter { !$0.value.isEmpty }
        guard let only = given.first else { return [] }
        guard given.count == 1 else { throw Refusal(text: "invalid number of parameters") }
        switch only.name {
        case "level": return [Change(component: nil, level: only.value)]
        case "paths":
            var changes: [Change] = []
            for entry in only.value.split(separator: ",") {
                let parts = entry.split(separator: ":", omittingEmptySubsequences: false)
                guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                    throw Refusal(text: "empty logger name or empty logger level")
                }
                changes.append(Change(component: String(parts[0]), level: String(parts[1])))
            }
            return changes
        case "group": throw Refusal(text: "group parameter requires fine-grain logging to be enabled")
        default: return [Change(component: only.name, level: only.value)]
        }
    }
}
