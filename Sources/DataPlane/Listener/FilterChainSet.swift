// The filter chains that a listener has at this moment.
import Reactor

/// Chains and how one is chosen; an update replaces the whole set. Loop thread only.
struct FilterChainSet {
    /// In the order of the spec, as the matcher knows them.
    let matched: [FilterChain]
    private let matcher: FilterChainMatcher
    /// The default chain.
    let fallback: FilterChain?

    init(_ matched: [FilterChain], matcher: FilterChainMatcher, fallback: FilterChain?) {
        self.matched = matched
        self.matcher = matcher
        self.fallback = fallback
    }

    var all: [FilterChain] { fallback.map { matched + [$0] } ?? matched }

    func choose(_ facts: ConnectionFacts) -> FilterChain? {
        matcher.choose(facts).map { matched[$0] } ?? fallback
    }
}
