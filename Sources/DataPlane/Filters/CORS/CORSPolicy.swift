// The policy for requests from other origins that holds at one place of the routes.
import HTTPWire
import Matching
import Reactor

/// All levels' policies made one: for each setting the most specific level that has it counts, but for the two switches,
/// which are the most specific level's. Immutable.
struct CORSPolicy {
    let allowedOrigins: [StringMatcher]
    let allowedMethods: FixedBytes
    let allowedHeaders: FixedBytes
    let exposedHeaders: FixedBytes
    let maxAge: FixedBytes
    let allowsCredentials: Bool
    let allowsPrivateNetworks: Bool
    let forwardsOtherPreflights: Bool
    let enabled: Fraction
    let shadowEnabled: Fraction

    /// - Parameter levels: the most specific first; nil when there is none.
    init?(_ levels: [CORSPolicySpec], _ runtime: RuntimeSpec) {
        guard let own = levels.first else { return nil }
        func text(_ setting: KeyPath<CORSPolicySpec, String>) -> FixedBytes {
            FixedBytes(levels.lazy.map { $0[keyPath: setting] }.first { !$0.isEmpty } ?? "")
        }
        func flag(_ setting: KeyPath<CORSPolicySpec, Bool?>, _ standard: Bool) -> Bool {
            levels.lazy.compactMap { $0[keyPath: setting] }.first ?? standard
        }
        allowedOrigins = levels.lazy.map(\.allowedOrigins).first { !$0.isEmpty } ?? []
        allowedMethods = text(\.allowedMethods)
        allowedHeaders = text(\.allowedHeaders)
        exposedHeaders = text(\.exposedHeaders)
        maxAge = text(\.maxAge)
        allowsCredentials = flag(\.allowsCredentials, false)
        allowsPrivateNetworks = flag(\.allowsPrivateNetworks, false)
        forwardsOtherPreflights = flag(\.forwardsOtherPreflights, true)
        enabled = own.enabled.resolved(runtime)
        shadowEnabled = own.shadowEnabled.resolved(runtime)
    }

    /// As in Envoy, a matcher that lets `*` pass lets all origins pass.
    func allows(_ origin: ByteView) -> Bool {
        allowedOrigins.contains { $0.matches("*") || $0.matches(origin.unsafeBytes) }
    }
}
