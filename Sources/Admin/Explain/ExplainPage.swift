// `/explain`: what became of a request or a connection, out of what the workers have recorded.
import Configuration
import DataPlane
import Reactor

enum ExplainPage {
    /// Records of an answer: what is asked for, and what may be.
    private static let standardCount = 10
    private static let maxCount = 1000

    static let parameters: [AdminEndpoint.Parameter] = [
        .init("id", .text, "an x-request-id, or the number of a connection; without it: the latest"),
        .init("last", .text, "how many at most"),
        .init("failed", .flag, "only what went wrong"),
        .init("format", .choice(["text", "json"]), "how to print it"),
    ]

    static func answer(_ desk: AdminDesk, _ parameters: AdminParameters) -> AdminAnswer {
        let logs = desk.backend.flightLogs
        var count = standardCount
        if let text = parameters["last"] {
            guard let number = Int(text), (1...maxCount).contains(number) else {
                return AdminAnswer("usage: /explain?last=N with N from 1 to \(maxCount)\n", status: 400)
            }
            count = number
        }
        let format = parameters["format"] ?? "text"
        guard format == "text" || format == "json" else {
            return AdminAnswer("usage: /explain?format=(text|json)\n", status: 400)
        }
        let id = parameters["id"]
        let onlyFailures = parameters.has("failed")
        let found = FlightLog.latest(count, of: logs) { record in
            (!onlyFailures || record.isFailure) && (id.map { record.has(id: $0) } ?? true)
        }
        if let id, found.isEmpty { return AdminAnswer("\(subject(id)) is recorded. \(kept(logs))\n", status: 404) }
        if format == "json" {
            return AdminAnswer(.members(("records", .array(found.map(ExplainJSON.value)))))
        }
        if found.isEmpty {
            return AdminAnswer("nothing \(onlyFailures ? "that went wrong " : "")is recorded. \(kept(logs))\n")
        }
        let now = desk.loop.wallNow
        return AdminAnswer(found.map { ExplainText.text($0, now: now) }.joined())
    }

    private static func subject(_ id: String) -> String {
        "no request with the x-request-id \(quotedForMessage(id)), and no connection of that number,"
    }

    /// What there is to be found, and which settings decide about it.
    private static func kept(_ logs: [FlightLog]) -> String {
        guard let spec = logs.first?.spec, spec.maxBytes > 0 else {
            return "Nothing is: outrider.explain.max_kib is 0."
        }
        let overwritten = logs.reduce(0) { $0 + $1.overwritten }
        return "Kept are those that went wrong, and \(spec.othersPerSecond) others a second"
            + " (outrider.explain.others_per_second), in \(spec.maxBytes >> 10) KiB a worker"
            + " (outrider.explain.max_kib); \(overwritten) had to make room so far."
    }
}
