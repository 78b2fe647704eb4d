// Tags that the configuration adds to spans.
import HTTPWire
import Reactor

/// `custom_tags` of one place, compiled. One thread.
final class CustomTags {
    private enum Value {
        case literal(FixedBytes)
        case header(HeaderKey, standard: FixedBytes)
        case format(Formatter)
        case none
    }

    private final class Tag {
        let name: FixedBytes
        let value: Value

        init(_ name: FixedBytes, _ value: Value) {
            self.name = name
            self.value = value
        }
    }

    private let tags: [Tag]

    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(_ specs: [CustomTagSpec]) throws(FormatError) {
        var tags: [Tag] = []
        for spec in specs {
            let value: Value
            switch spec.value {
            case .literal(let text): value = .literal(FixedBytes(text))
            case .header(let name, let standard):
                // A header that cannot be is never there.
                value =
                    HeaderKey(name).map { .header($0, standard: FixedBytes(standard)) }
                    ?? .literal(FixedBytes(standard))
            case .format(let text): value = .format(try Formatter(text, omitEmpty: true))
            case .none: value = .none
            }
            tags.append(Tag(FixedBytes(spec.name), value))
        }
        self.tags = tags
    }

    /// Adds the tags that have a value, but for those that `override` has too.
    func add(to record: SpanRecord, _ context: borrowing FormatContext, override: CustomTags? = nil) {
        for tag in tags {
            let name = tag.name.view
            if let override, override.tags.contains(where: { $0.name.view == name }) { continue }
            switch tag.value {
            case .literal(let text): record.set(name, text.view)
            case .header(let key, let standard): record.set(name, context.request?.value(key) ?? standard.view)
            case .format(let format): record.set(name, format, context)
            case .none: break
            }
        }
    }
}
