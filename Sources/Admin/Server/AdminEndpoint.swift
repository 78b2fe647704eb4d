// One path of the admin port: what it is for, what it takes, and what answers it.

/// An endpoint. The tables are `ReadingEndpoints` and `ChangingEndpoints`.
struct AdminEndpoint: Sendable {
    /// How a page asks for a parameter.
    enum Input: Sendable {
        case text
        case flag
        case choice([String])
    }

    struct Parameter: Sendable {
        let name: String
        let input: Input
        let help: String

        init(_ name: String, _ input: Input, _ help: String) {
            self.name = name
            self.input = input
            self.help = help
        }
    }

    typealias Answer = @Sendable (AdminDesk, AdminRequest) -> AdminAnswer

    let path: String
    let help: String
    let parameters: [Parameter]
    /// The endpoint changes the process and asks for POST; the others only tell.
    let isChanging: Bool
    let answer: Answer

    static func reading(
        _ path: String, _ help: String, _ parameters: [Parameter] = [], _ answer: @escaping Answer
    ) -> AdminEndpoint {
        AdminEndpoint(path: path, help: help, parameters: parameters, isChanging: false, answer: answer)
    }

    static func changing(
        _ path: String, _ help: String, _ parameters: [Parameter] = [], _ answer: @escaping Answer
    ) -> AdminEndpoint {
        AdminEndpoint(path: path, help: help, parameters: parameters, isChanging: true, answer: answer)
    }
}

/// Which endpoints an admin listener has.
public enum AdminAccess: Sendable {
    /// Reading and changing.
    case full
    /// `/ready` and `/stats`: what probes and scrapers need, and nothing about the configuration.
    case stats
}
