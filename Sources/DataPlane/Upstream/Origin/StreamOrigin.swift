// Where a stream comes from, for clusters whose hosts or connections follow their clients.
import HTTPWire

/// What a cluster may ask about the stream that wants a connection. Loop thread only; not to be kept.
public struct StreamOrigin {
    public var downstream: DownstreamInfo?
    /// nil for TCP.
    public var request: HeaderMap?

    public init(downstream: DownstreamInfo? = nil, request: HeaderMap? = nil) {
        self.downstream = downstream
        self.request = request
    }
}

/// Someone who wants a connection. Asked for its origin only by clusters that go by it, for its hash by those that choose
/// hosts by it, for its criteria by those with subsets.
public protocol StreamOriginating: AnyObject {
    var origin: StreamOrigin { get }
    /// Of what the cluster's hash policy looks at, or else that of the stream's route or TCP proxy; nil: there is none, or
    /// nothing of it.
    func hash(_ policy: HashPolicy?) -> UInt64?
    /// Which subset of a cluster's hosts is wanted; nil: nobody says.
    var subsetCriteria: SubsetCriteria? { get }
}

extension StreamOriginating {
    /// Nothing is known: no client is behind it.
    public var origin: StreamOrigin { StreamOrigin() }

    /// It has no hash policy.
    public func hash(_ policy: HashPolicy?) -> UInt64? { nil }

    /// It has no `metadata_match`.
    public var subsetCriteria: SubsetCriteria? { nil }
}
