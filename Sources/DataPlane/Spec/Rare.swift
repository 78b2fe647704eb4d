// What few specs have: one word where it is missing, or where it is the default.

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

extension Rare: Equatable where Value: Equatable {
    public static func == (one: Rare, other: Rare) -> Bool { one.wrappedValue == other.wrappedValue }
}

/// What `RarelySet` holds: a spec whose `init()` gives the defaults.
public protocol DefaultedSpec: Equatable, Sendable {
    init()
}

/// The same for a large value that mostly is the default.
@propertyWrapper
public struct RarelySet<Value: DefaultedSpec>: Sendable {
    @Rare private var changed: Value?

    public init() {}

    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }

    public var wrappedValue: Value {
        get { changed ?? Value() }
        set { changed = newValue == Value() ? nil : newValue }
    }
}
