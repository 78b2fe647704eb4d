// The clusters that somebody on a worker refers to by place.

/// The places of the names that a route table or a TCP proxy was compiled with. While it lives, each of the names keeps its
/// place, whether its cluster is there, comes later, is replaced or goes. Loop thread only.
public final class ClusterNames {
    private let set: ClusterSet
    private var places: [Int32] = []

    init(_ set: ClusterSet) { self.set = set }

    deinit { set.letGo(places) }

    /// The place of a name, for `ClusterSet.cluster(at:)`.
    public func place(of name: String) -> Int {
        let place = set.hold(name)
        places.append(Int32(truncatingIfNeeded: place))
        return place
    }
}
