// Changes of a head that are made one after the other.
import HTTPWire
import Matching
import Reactor

/// A list of `HeaderMutation`, compiled. Unlike those of `HeaderMutations`, each change sees what the one before has left,
/// as in Envoy. One thread.
final class HeaderChanges {
    private enum Step {
        case mutation(HeaderMutations)
        case removal(StringMatcher)
    }

    private let steps: [Step]

    /// - Throws: for a value that does not compile, and for names that must not be changed (`:path`, `host`).
    init(_ specs: [HeaderChangeSpec]) throws(FormatError) {
        var steps: [Step] = []
        for spec in specs {
            switch spec {
            case .remove(let name): steps.append(.mutation(try HeaderMutations(add: [], remove: [name])))
            case .add(let addition): steps.append(.mutation(try HeaderMutations(add: [addition], remove: [])))
            case .removeMatching(let matcher): steps.append(.removal(matcher))
            }
        }
        self.steps = steps
    }

    var isEmpty: Bool { steps.isEmpty }

    /// Changes `headers`. Formats read `context`, which may hold `headers` itself.
    func apply(to headers: HeaderMap, _ context: borrowing FormatContext) {
        for step in steps {
            switch step {
            case .mutation(let mutation): mutation.apply(to: headers, context)
            case .removal(let matcher):
                // The matcher knows names as HTTP/2 spells them.
                headers.removeAll { name, _ in
                    name.array.map(\.asciiLowercased).withUnsafeBytes { matcher.matches($0) }
                }
            }
        }
    }
}
