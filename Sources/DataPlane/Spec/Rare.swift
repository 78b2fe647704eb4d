// What few specs have: one word where it is missing.

/// Keeps an optional value that is large and mostly nil in a block of its own, so that the thousands of specs without it
/// are small.
@propertyWrapper
public struct Rare<Value: Sendable>: Sendable {
    private final class Block: Sendable {
        let value: Value
        init(_ value: Value) { self.value = value }
    }

    private var block: Block?

    public init(wrappedValue: Value?) { block = wrappedValue.map(Block.init) }

    public var wrappedValue: Value? {
        get { block?.value }
        set { block = newValue.map(Block.init) }
    }
}
