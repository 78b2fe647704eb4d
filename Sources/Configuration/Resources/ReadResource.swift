// A resource that was read and is right.
import DataPlane

/// What a resource says, checked.
public struct ReadResource<Spec> {
    /// The resource's own name: a listener's, a cluster's, a route configuration's, a service's.
    public let name: String
    public let spec: Spec
    /// The TLS contexts of `spec` that follow files or other secrets.
    public let tls: TLSContextSources
    /// Secrets that have to be asked for first: until they are there the spec is not whole, and of no use. Then the resource
    /// is read again.
    public let missing: [SecretSubscription]
    /// The message in a canonical form: equal bytes mean the same, whatever order they were written in. For comparing,
    /// and for `/config_dump`.
    public let bytes: [UInt8]
    /// Right, but probably not meant. To be logged.
    public let warnings: [ConfigurationIssue]
    /// One line for each kind of field that was skipped on purpose. To be logged once.
    public let skipped: [String]

    /// Equal when the meaning is equal.
    public var identity: [UInt8] { bytes }
}
