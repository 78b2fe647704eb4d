// Changes of a request's query, parameter by parameter.
import HTTPWire
import Reactor

/// `query_parameter_mutations` of one level, compiled. One thread.
final class QuerySteps {
    private enum Step {
        /// The name, decoded.
        case remove([UInt8])
        case append([UInt8], Formatter, HeaderAddSpec.Action)
    }

    private let steps: [Step]
    private var value = ByteArena()

    /// - Throws: for a value that does not compile; a checked configuration has none.
    init(_ specs: [ParameterStepSpec]) throws(FormatError) {
        var steps: [Step] = []
        for spec in specs {
            switch spec {
            case .remove(let name): steps.append(.remove(Array(name.utf8)))
            case .append(let name, let value, let action):
                steps.append(.append(Array(name.utf8), try Formatter(value, omitEmpty: true), action))
            }
        }
        self.steps = steps
    }

    /// Changes the query of `request`, which `context` may hold.
    func apply(to request: HeaderMap, _ context: borrowing FormatContext) {
        guard !steps.isEmpty, request.value(.path) != nil else { return }
        var parameters = QueryParameterList(path: request.path)
        for step in steps {
            switch step {
            case .remove(let name): parameters.remove(name)
            case .append(let name, let formatter, let action):
                value.removeAll()
                formatter.append(to: &value, context)
                parameters.apply(action, name, value.view)
            }
        }
        parameters.set(on: request)
    }
}
