// Labels by which subsets are told apart, of hosts and of requests.
import Reactor

/// A name and a value under `envoy.lb`; equal values have equal bytes (a `google.protobuf.Value`).
struct SubsetLabel: Hashable, Sendable {
    let name: String
    let value: [UInt8]

    init(name: String, value: [UInt8]) {
        self.name = name
        self.value = value
    }

    /// A text, in the bytes that a serialized `Value` has.
    init(name: String, text: String) {
        var writer = ProtobufWriter()
        writer.append(3, text)
        // What is empty is left out there, and of a Value it is one.
        self.init(name: name, value: text.isEmpty ? [0x1a, 0] : writer.bytes)
    }
}

/// Labels in the order of their names, each name once. To be looked up by: its hash is made once.
struct SubsetKey: Hashable, Sendable {
    let labels: [SubsetLabel]
    private let digest: Int

    init(_ labels: [SubsetLabel]) {
        self.labels = labels.sorted { $0.name < $1.name }
        digest = self.labels.hashValue
    }

    func hash(into hasher: inout Hasher) { hasher.combine(digest) }

    static func == (one: SubsetKey, other: SubsetKey) -> Bool {
        one.digest == other.digest && one.labels == other.labels
    }

    var names: [String] { labels.map(\.name) }

    /// Of these names only.
    func filtered(_ names: [String]) -> SubsetKey {
        SubsetKey(labels.filter { names.contains($0.name) })
    }

    /// With others, which come before its own of the same name.
    func merging(_ others: [SubsetLabel]) -> SubsetKey {
        SubsetKey(labels.filter { label in !others.contains { $0.name == label.name } } + others)
    }
}

/// `metadata_match` of a route, weighted cluster or TCP proxy, compiled: what subset of a cluster's hosts is wanted. Any
/// thread.
public final class SubsetCriteria: Sendable {
    let key: SubsetKey
    /// For clusters with `metadata_fallback_policy: FALLBACK_LIST`, what is tried in turn; nil: the request has no
    /// `fallback_list`.
    let alternatives: [SubsetKey]?

    private static let fallbackList = "fallback_list"

    /// nil: nothing under `envoy.lb`.
    convenience init?(_ metadata: Metadata?) {
        guard let values = metadata?.values(in: SubsetSpec.namespace) else { return nil }
        let labels = values.labels
        if labels.isEmpty { return nil }
        var alternatives: [SubsetKey]?
        if let list = values.entry(Self.fallbackList) {
            let rest = SubsetKey(labels.filter { $0.name != Self.fallbackList })
            var found: [SubsetKey] = []
            list.forEachElement { found.append(rest.merging($0.labels)) }
            alternatives = found.isEmpty ? [rest] : found
        }
        self.init(SubsetKey(labels), alternatives)
    }

    private init(_ key: SubsetKey, _ alternatives: [SubsetKey]?) {
        self.key = key
        self.alternatives = alternatives
    }

    /// With what a connection's metadata say (`envoy.lb` by way of a PROXY protocol header).
    static func merged(_ criteria: SubsetCriteria?, _ noted: [SubsetLabel]) -> SubsetCriteria? {
        if noted.isEmpty { return criteria }
        return SubsetCriteria(
            criteria?.key.merging(noted) ?? SubsetKey(noted), criteria?.alternatives?.map { $0.merging(noted) })
    }
}

extension MetadataValue {
    /// The members of an object.
    var labels: [SubsetLabel] {
        var found: [SubsetLabel] = []
        forEachMember { name, value in
            found.append(
                SubsetLabel(name: String(decoding: bytes[name], as: UTF8.self), value: Array(bytes[value.range])))
            return true
        }
        return found
    }
}
