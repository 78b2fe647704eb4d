// Secrets that come from elsewhere (SDS): what a TLS context asks for, and what it was given.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf

/// A secret that a TLS context takes from a file or a control plane (`SdsSecretConfig`).
public struct SecretSubscription: Sendable, Hashable {
    /// The secret's name.
    public let name: String
    public let source: ConfigSourceSpec

    /// For a file: what shows that there is a newer one.
    public var place: WatchedPlace? {
        if case .file(_, let watched) = source.place { watched } else { nil }
    }

    /// For a file: the one with the DiscoveryResponse.
    public var path: String? {
        if case .file(let path, _) = source.place { path } else { nil }
    }
}

/// A secret as a control plane sent it. Whether it fits a TLS context shows when that is read with it.
public struct ReceivedSecret: Sendable {
    let message: API.Secret
    /// Where problems in it are told to be: "sds 'name'".
    let place: String

    /// The bytes of a secret that has a name and nothing else yet.
    public static func named(_ name: String) -> [UInt8] {
        var secret = API.Secret()
        secret.name = name
        return (try? secret.serializedBytes()) ?? []
    }
}

/// A static listener or cluster that cannot be made yet, because secrets of it have to be asked for first. Once they are
/// there, it is read like one that came from elsewhere.
public struct PendingResource: Sendable {
    public enum Kind: Sendable { case listener, cluster }
    public let kind: Kind
    public let name: String
    public let resource: ResourceBytes
    public let missing: [SecretSubscription]
}

extension SpecContext {
    /// Secrets that are not there yet, each once.
    var missingSubscriptions: [SecretSubscription] {
        missingSecrets.reduce(into: []) { found, one in
            if !found.contains(one.subscription) { found.append(one.subscription) }
        }
    }

    /// A secret of a control plane: nil, and no problem, where it is not there yet.
    func received(
        _ name: String, from source: API.ConfigSource, _ path: FieldPath, referredAt reference: FieldPath
    ) -> (secret: API.Secret, path: FieldPath)? {
        guard let spec = ConfigSourceSpecBuilder(context: self).source(source, path) else { return nil }
        if name.isEmpty {
            missing(reference.field("name"), "is required: it says which secret to ask for")
            return nil
        }
        let subscription = SecretSubscription(name: name, source: spec)
        subscribe(subscription)
        guard let known = receivedSecrets[subscription] else {
            missingSecrets.append((subscription, reference))
            return nil
        }
        return (known.message, FieldPath(document: report.addSource(known.place)))
    }
}
