// Subsets of a cluster's hosts, by their metadata.

/// `Cluster.LbSubsetConfig`.
public struct SubsetSpec: Sendable, Equatable {
    /// Where a request goes whose criteria no subset fits.
    public enum Fallback: Sendable, Equatable {
        /// Nowhere.
        case none
        case anyEndpoint
        case defaultSubset
    }

    /// Hosts whose values of all `keys` are equal are a subset.
    public struct Selector: Sendable, Equatable {
        public enum Fallback: Sendable, Equatable {
            /// As the cluster says.
            case asCluster
            case none
            case anyEndpoint
            case defaultSubset
            /// Tries again with no other keys than these, fewer than `Selector.keys`.
            case keys([String])
        }

        /// At least one, each once.
        public var keys: [String]
        /// A subset is the first of its hosts, whatever its health.
        public var isSingleHost = false
        public var fallback = Fallback.asCluster

        public init(keys: [String]) { self.keys = keys }
    }

    public var fallback = Fallback.none
    /// What hosts of the default subset have under `envoy.lb`; nil: all hosts are in it.
    public var defaultSubset: Metadata?
    public var selectors: [Selector]
    /// `locality_weight_aware`: localities have their weights in subsets, too.
    public var weighsLocalities = false
    /// `scale_locality_weight`: as much of them as the subset has of their hosts.
    public var scalesWeights = false
    /// `panic_mode_any`: where the fallback has no host, any will do.
    public var panicsToAny = false
    /// `list_as_any`: a host with a list of values is in the subset of each.
    public var listsAsAny = false
    /// `metadata_fallback_policy: FALLBACK_LIST`: a request's `fallback_list` has the criteria that are tried in turn.
    public var usesFallbackList = false
    /// Subsets that a cluster may have; 0: no limit (Outrider's own).
    public var maxSubsets = 65_536

    /// Where metadata have what subsets go by.
    public static let namespace = "envoy.lb"

    public init(selectors: [Selector]) { self.selectors = selectors }
}
