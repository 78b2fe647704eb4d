// Changes of a message's headers, each of which sees what those before it have done.
import HTTPWire
import Matching
import Reactor

/// `request_mutations` or `response_mutations` of one level, compiled. One thread.
///
/// What routes add and remove (`HeaderMutations`) is evaluated on what was there before; these steps are not.
final class HeaderSteps {
    private enum Step {
        case remove(HeaderKey)
        case removeMatching(StringMatcher)
        case append(HeaderKey, Formatter, HeaderAddSpec.Action, keepsEmpty: Bool)
    }

    private let steps: [Step]
    private var value = ByteArena()
    private var joined = ByteArena()

    /// - Throws: for a value or a name that does not compile; a checked configuration has none.
    init(_ specs: [HeaderStepSpec]) throws(FormatError) {
        var steps: [Step] = []
        for spec in specs {
            switch spec {
            case .remove(let name): steps.append(.remove(try HeaderMutations.key(name)))
            case .removeMatching(let matcher): steps.append(.removeMatching(matcher))
            case .append(let add):
                steps.append(
                    .append(
                        try HeaderMutations.key(add.name), try Formatter(add.value, omitEmpty: true), add.action,
                        keepsEmpty: add.keepEmpty))
            }
        }
        self.steps = steps
    }

    var isEmpty: Bool { steps.isEmpty }

    /// Changes `headers`, which `context` may hold.
    func apply(to headers: HeaderMap, _ context: borrowing FormatContext) {
        for step in steps {
            switch step {
            case .remove(let key): headers.remove(key)
            case .removeMatching(let matcher): headers.removeAll { name, _ in matches(matcher, name) }
            case .append(let key, let formatter, let action, let keepsEmpty):
                value.removeAll()
                formatter.append(to: &value, context)
                if value.count > 0 || keepsEmpty { apply(key, action, headers) }
            }
        }
    }

    /// Matchers see names in lower case.
    private func matches(_ matcher: StringMatcher, _ name: ByteView) -> Bool {
        value.removeAll()
        for index in 0..<name.count { value.append(byte: name[index].asciiLowercased) }
        return matcher.matches(value.view.unsafeBytes)
    }

    private func apply(_ key: HeaderKey, _ action: HeaderAddSpec.Action, _ headers: HeaderMap) {
        switch action {
        case .appendIfExistsOrAdd: HeaderMutations.append(key, value.view, to: headers, &joined)
        case .addIfAbsent: if !headers.contains(key) { headers.append(key, value.view) }
        case .overwriteIfExists: if headers.contains(key) { headers.set(key, value.view) }
        case .overwriteIfExistsOrAdd: headers.set(key, value.view)
        }
    }
}
