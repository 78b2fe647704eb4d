// The way from the root of a configuration to a field, as errors print it.

/// A path such as `static_resources.listeners[0].address`.
public struct FieldPath: Sendable, Hashable, CustomStringConvertible {
    public enum Step: Sendable, Hashable {
        /// A field by its proto name.
        case field(String)
        /// An element of a repeated field.
        case index(Int)
        /// An entry of a map field.
        case key(String)
    }
    public var steps: [Step]
    /// Which text the path is one of: 0 is the bootstrap, others are files that it names.
    var document = 0

    public init(_ steps: [Step] = []) { self.steps = steps }

    /// The root of a file that the bootstrap names.
    init(document: Int) {
        steps = []
        self.document = document
    }

    /// The path of a field of the message that stands here; dots name a field of a field.
    public func field(_ name: String) -> FieldPath {
        var path = self
        if name.utf8.contains(UInt8(ascii: ".")) {
            for part in name.split(separator: ".") { path.steps.append(.field(String(part))) }
        } else {
            path.steps.append(.field(name))
        }
        return path
    }

    public subscript(_ index: Int) -> FieldPath { appending(.index(index)) }
    public func key(_ name: String) -> FieldPath { appending(.key(name)) }

    private func appending(_ step: Step) -> FieldPath {
        var path = self
        path.steps.append(step)
        return path
    }

    public var parent: FieldPath {
        var path = self
        path.steps = steps.dropLast()
        return path
    }

    public func hasPrefix(_ other: FieldPath) -> Bool {
        document == other.document && steps.starts(with: other.steps)
    }

    public var description: String {
        var text = ""
        for step in steps {
            switch step {
            case .field(let name): text += text.isEmpty ? name : ".\(name)"
            case .index(let index): text += "[\(index)]"
            case .key(let key): text += "[\(quotedForMessage(key))]"
            }
        }
        return text
    }
}

extension ConfigNode {
    /// Where `path` stands below this node: the value for a scalar, the key for a mapping or list. When the tree ends
    /// before the path does, the place where it ends.
    func position(of path: FieldPath) -> ConfigPosition { follow(path).position }

    /// The node at `path`; nil when the tree does not reach there.
    func node(at path: FieldPath) -> ConfigNode? { follow(path).node }

    private func follow(_ path: FieldPath) -> (node: ConfigNode?, position: ConfigPosition) {
        var node = self
        var found = position
        for step in path.steps {
            switch (step, node.value) {
            case (.field(let name), .map):
                guard let entry = node.entry(name, FieldSchema.jsonName(of: name)) else { return (nil, found) }
                (node, found) = (entry.value, entry.place)
            case (.key(let key), .map):
                guard let entry = node.entry(key, key) else { return (nil, found) }
                (node, found) = (entry.value, entry.place)
            case (.index(let index), .list(let elements)):
                guard elements.indices.contains(index) else { return (nil, found) }
                (node, found) = (elements[index], elements[index].position)
            case (.index(0), _):
                // One element where a list is expected stands for a list of one.
                break
            default:
                return (nil, found)
            }
        }
        return (node, found)
    }
}

extension ConfigNode.Entry {
    fileprivate var place: ConfigPosition {
        switch value.value {
        case .plain, .quoted: value.position
        case .null, .list, .map: keyPosition
        }
    }
}
