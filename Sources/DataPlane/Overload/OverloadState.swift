// How far each action goes at this moment: written by the main thread, read by all workers.
import Synchronization

/// One word a point, which holds all that a worker wants to know: whether and how often, because of which trigger, at which
/// pressure. Thread-safe; a look is one relaxed load.
public final class OverloadState: Sendable {
    /// What has been decided of one point.
    public struct Level: Equatable, Sendable {
        /// How far it goes, from 0 to 1.
        public var share: Double
        /// The position of the trigger that asks for most.
        public var trigger: Int
        /// Of its resource; 1 is all of it.
        public var pressure: Double

        public init(share: Double = 0, trigger: Int = 0, pressure: Double = 0) {
            self.share = share
            self.trigger = trigger
            self.pressure = pressure
        }
    }

    /// What people are told of a trigger: "envoy.resource_monitors.fixed_heap (max_heap_size_bytes 1048576)" is at some
    /// pressure, "threshold 95%".
    public struct Cause: Sendable {
        public var resource: String
        public var trigger: String

        public init(resource: String, trigger: String) {
            self.resource = resource
            self.trigger = trigger
        }
    }

    /// A word of 0: nothing is done. Else the share in its upper half (all ones: always), then the trigger, then the
    /// pressure in parts of 1000.
    private let words: InlineArray<13, Atomic<UInt64>>
    /// By point and trigger.
    private let causes: [[Cause]]
    let reductions: [TimeoutReduction]

    /// - Parameter causes: what to say of each trigger of an action, in the order of `spec.actions` and their triggers.
    public init(_ actions: [OverloadActionSpec], causes: [[Cause]]) {
        words = InlineArray { _ in Atomic(0) }
        var byPoint = [[Cause]](repeating: [], count: OverloadPoint.allCases.count)
        for (action, known) in zip(actions, causes) { byPoint[action.point.rawValue] = known }
        self.causes = byPoint
        reductions = actions.flatMap(\.reductions)
    }

    /// Main thread.
    public func set(_ point: OverloadPoint, _ level: Level) {
        words[point.rawValue].store(OverloadState.word(level), ordering: .relaxed)
    }

    /// Any thread.
    @inline(__always)
    func word(_ point: OverloadPoint) -> UInt64 { words[point.rawValue].load(ordering: .relaxed) }

    /// How far a point goes, from 0 to 1. Any thread.
    public func share(_ point: OverloadPoint) -> Double {
        Double(word(point) >> 32) / Double(UInt32.max)
    }

    /// Why a point is active, for people: which monitor, its setting, the pressure and the threshold. Any thread.
    public func reason(_ point: OverloadPoint) -> String {
        let word = word(point)
        let known = causes[point.rawValue]
        let trigger = Int(word >> 16 & 0xffff)
        guard word != 0, trigger < known.count else { return point.name }
        let pressure = OverloadState.percent(Double(word & 0xffff) / 1000)
        return "\(point.name): \(known[trigger].resource) is at \(pressure), \(known[trigger].trigger)"
    }

    /// Parts of 1 as people read them: "97.5%".
    public static func percent(_ value: Double) -> String {
        let tenths = Int(min(max(0, value), 1_000_000) * 1000 + 0.5)
        return tenths % 10 == 0 ? "\(tenths / 10)%" : "\(tenths / 10).\(tenths % 10)%"
    }

    static func word(_ level: Level) -> UInt64 {
        let share = level.share >= 1 ? UInt64(UInt32.max) : UInt64(max(0, level.share) * Double(UInt32.max))
        guard share > 0 else { return 0 }
        let pressure = UInt64(min(max(0, level.pressure), 65) * 1000 + 0.5)
        return share << 32 | UInt64(clamping: level.trigger) << 16 | min(pressure, 0xffff)
    }
}
