// How much is kept for people who ask later, and the runtime keys that say so.
import DataPlane

/// An amount of something that is kept, under a key of its own; 0: nothing is.
enum RuntimeRoom: String, CaseIterable {
    case explainKibibytes = "outrider.explain.max_kib"
    case explainOthers = "outrider.explain.others_per_second"

    /// Beside 0.
    var range: ClosedRange<Double> {
        switch self {
        case .explainKibibytes: 64...1_048_576
        case .explainOthers: 1...1_000_000
        }
    }
}

extension SpecContext {
    /// What is recorded for `outrider explain`.
    func explainSettings() -> ExplainSpec {
        var spec = ExplainSpec()
        spec.maxBytes = count(spec.maxBytes >> 10, runtimeKey: RuntimeRoom.explainKibibytes.rawValue) << 10
        spec.othersPerSecond = count(spec.othersPerSecond, runtimeKey: RuntimeRoom.explainOthers.rawValue)
        return spec
    }

    func checkRoom(_ room: RuntimeRoom, _ value: RuntimeSpec.Value, _ path: FieldPath) {
        if case .number(let number) = value, number == number.rounded(), number == 0 || room.range.contains(number) {
            return
        }
        let (low, high) = (Int(room.range.lowerBound), Int(room.range.upperBound))
        bad(path, "must be 0, which is nothing, or a whole number from \(low) to \(high)")
    }
}
