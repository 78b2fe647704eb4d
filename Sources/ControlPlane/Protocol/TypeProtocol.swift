// What both variants of the protocol have in common: one resource type on one stream.
import Reactor

/// The protocol's state of one resource type. It says what is to be asked next; it sends nothing itself.
protocol TypeProtocol {
    /// A new stream: the server knows nothing any more.
    mutating func streamBegan()
    /// The next request, or nil when there is nothing to say. Asked again until it has nothing.
    mutating func nextAsk(_ interest: ResourceInterest) -> DiscoveryAsk?
    /// How many responses wait for their answer.
    var owed: Int { get }
    /// A response was seen: it is good, or `error` says what is wrong. `reply` is what came.
    mutating func answer(_ reply: DiscoveryReply, error: String?, _ interest: ResourceInterest)
    /// Resources whose `ttl` is over.
    mutating func expired(_ names: Set<String>)
    /// A `ttl` goes on only for what is still the same.
    func isHeartbeat(_ resource: DiscoveryReply.Resource) -> Bool
    /// An update's `resources` are the state of the world.
    var isWhole: Bool { get }
}

/// A response that is to be answered.
struct OwedAnswer: Equatable {
    var nonce: String
    var error: String?
    /// State of the world: the last good version when it was seen.
    var version = ""
}

/// Finds what is wrong with a response whatever its resources mean.
enum ReplyCheck {
    /// Problems for the NACK; empty: none.
    static func problems(_ reply: DiscoveryReply) -> [String] {
        var problems: [String] = []
        var names: Set<String> = []
        func note(_ text: String) { if problems.count < 10 { problems.append(text) } }
        for resource in reply.resources {
            let isBare = resource.typeURL.isEmpty && resource.bytes.isEmpty
            if !isBare, resource.typeURL != reply.typeURL {
                note(
                    "resource '\(resource.name)' is of type \(resource.typeURL), which does not match the response's"
                        + " type_url \(reply.typeURL)")
            }
            if isBare, resource.ttl == nil { note("resource '\(resource.name)' has neither a resource nor a ttl") }
            if !resource.aliases.isEmpty {
                note("resource '\(resource.name)' has aliases, which Outrider does not know how to use")
            }
            if !names.insert(resource.name).inserted { note("duplicate name '\(resource.name)' among the resources") }
        }
        for name in reply.removed where names.contains(name) {
            note("'\(name)' is among both resources and removed_resources")
        }
        return problems
    }
}
