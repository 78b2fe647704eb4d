// The header mutation filter: changes of messages, one after the other.
import Matching

/// `HeaderMutation` and `HeaderMutationPerRoute`.
public struct HeaderMutationFilterSpec: Sendable {
    public var request: [HeaderStepSpec] = []
    public var response: [HeaderStepSpec] = []
    public var parameters: [ParameterStepSpec] = []
    /// The filter's own `most_specific_header_mutations_wins`: the most specific level of the routes is the last.
    public var mostSpecificWins = false

    public init() {}
}

/// `envoy.config.common.mutation_rules.v3.HeaderMutation`.
public enum HeaderStepSpec: Sendable {
    case remove(String)
    case removeMatching(StringMatcher)
    case append(HeaderAddSpec)
}

/// `envoy.config.core.v3.KeyValueMutation` of the query.
public enum ParameterStepSpec: Sendable {
    case remove(String)
    /// `value` is a format.
    case append(name: String, value: String, HeaderAddSpec.Action)
}
