// Fractions that the runtime may override.

extension RuntimeFraction {
    /// The fraction that holds: the runtime's under `key` when it has one (a bare number counts percent).
    func resolved(_ runtime: RuntimeSpec) -> Fraction {
        switch key.isEmpty ? nil : runtime.values[key] {
        case .fraction(let fraction): fraction
        case .number(let percent): Fraction(numerator: UInt32(clamping: percent), denominator: 100)
        case .text, nil: fraction
        }
    }
}

extension Fraction {
    /// Whether a random value falls into the fraction.
    func includes(_ random: UInt64) -> Bool {
        denominator > 0 && random % UInt64(denominator) < UInt64(numerator)
    }
}

extension UInt32 {
    fileprivate init(clamping number: Double) {
        self = number.isNaN || number <= 0 ? 0 : number >= 4_294_967_295 ? .max : UInt32(number)
    }
}
