// How clusters look names up: a face that the real resolver and the tests' have in common.
import Reactor

/// What a lookup came to.
public enum NameLookup: Sendable, Equatable {
    /// In the resolver's order of preference; `ttl` is the least of the answers', zero when unknown.
    case addresses([IPAddress], ttl: TimeAmount)
    /// The name does not exist, or has no address: an answer, not a failure.
    case empty
    /// No answer: timeout, refused, broken.
    case failed(String)
}

/// Looks names up. Main thread only.
public protocol NameResolver: AnyObject {
    /// Calls `completion` once, later, on the loop.
    func lookUp(_ name: String, family: DNSSpec.Family, _ completion: @escaping (NameLookup) -> Void)
}
