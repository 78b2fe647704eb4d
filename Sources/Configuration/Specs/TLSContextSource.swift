// From what a TLS context is made again when its files have changed.
import DataPlane
import EnvoyAPI
import Reactor

/// The TLS contexts of a configuration that depend on files, and the places where these files show a change.
public struct TLSContextSources: Sendable {
    /// Each place once, in the state before it was first read.
    public internal(set) var places: [(place: WatchedPlace, stamp: FileStamp)] = []
    public internal(set) var sources: [TLSContextSource] = []
    /// The secrets that come from files.
    public internal(set) var fileSecrets: [SecretSubscription: FileSecret] = [:]
    /// False: files are read once, but for those of secrets that come from files themselves.
    public internal(set) var areFollowed = true
    /// How often places are looked at that the kernel does not tell of; nil: never.
    public internal(set) var pollInterval: TimeAmount?

    public init() {}
}

/// One TLS context as the configuration asks for it, its files not yet read.
public struct TLSContextSource: Sendable {
    enum Request: Sendable {
        /// A serialized DownstreamTlsContext.
        case downstream([UInt8])
        /// A serialized UpstreamTlsContext, and what the cluster's HTTP options ask of it.
        case upstream([UInt8], TLSSpecBuilder.AutoNames)
    }

    public let owner: TLSContextOwner
    /// Positions in `TLSContextSources.places`.
    public let places: [Int]
    /// The secrets that come from elsewhere. Without those of files the places are always the same.
    public let subscriptions: [SecretSubscription]
    let request: Request
    /// Where the TLS context's message stands.
    let path: FieldPath
    let secrets: TLSSecrets
    /// What control planes have sent for `subscriptions`.
    var received: [SecretSubscription: ReceivedSecret]
    /// False: only the files of `subscriptions` count.
    let areFilesFollowed: Bool

    /// The same with a newer secret of a control plane; nil where it does not ask for it.
    public func receiving(_ secret: ReceivedSecret, for subscription: SecretSubscription) -> TLSContextSource? {
        guard subscriptions.contains(subscription) else { return nil }
        var source = self
        source.received[subscription] = secret
        return source
    }
}

/// The static secrets of a configuration by name.
final class TLSSecrets: Sendable {
    let all: [String: (secret: API.Secret, path: FieldPath)]

    init(_ all: [String: (secret: API.Secret, path: FieldPath)]) { self.all = all }
}

/// What a TLS context's files have now.
public struct TLSContextReading {
    /// The context; or everything that is wrong with the files.
    public let spec: Result<TLSContextSpec, ConfigurationErrors>
    /// What it depends on, as far as it was read.
    public let places: [(place: WatchedPlace, stamp: FileStamp)]
    /// The secrets that come from files, as far as these could be read.
    public let fileSecrets: [SecretSubscription: FileSecret]
}

/// One look at the files of TLS contexts: reads each file once. Blocks; main thread only.
public struct TLSContextReader {
    private let files = LoadedFiles(waits: false)

    public init() {}

    /// The context as the files have it now, checked as at the start. `current` is what it takes the place of: it gives
    /// what no file decides (the protocols that were left out for its listener or cluster, random ticket keys, what runtime
    /// keys turn off), so that files with the same contents make an equal spec.
    public func read(_ source: TLSContextSource, replacing current: TLSContextSpec) -> TLSContextReading {
        let report = ConfigurationReport(sources: [])
        let context = SpecContext(report: report, files: files)
        context.secrets = source.secrets
        context.receivedSecrets = source.received
        // They were checked when the TLS context was read first.
        context.sourceRules = nil
        context.tlsSources.areFollowed = source.areFilesFollowed
        let made = context.spec(of: source)
        var result = Result<TLSContextSpec, ConfigurationErrors>.success(current)
        if report.hasIssues {
            result = .failure(report.errors)
        } else if var spec = made {
            spec.alpn = current.alpn
            spec.takesOverRecords = current.takesOverRecords
            if spec.sessionTickets == current.sessionTickets { spec.sessionTickets = current.sessionTickets }
            result = .success(spec)
        }
        return TLSContextReading(
            spec: result, places: context.tlsSources.places, fileSecrets: context.fileSecrets())
    }
}

extension SpecContext {
    /// nil where what is wrong is in the report.
    fileprivate func spec(of source: TLSContextSource) -> TLSContextSpec? {
        let builder = TLSSpecBuilder(context: self)
        switch source.request {
        case .downstream(let bytes):
            return (try? API.DownstreamTLS(serializedBytes: bytes)).flatMap { builder.downstream($0, source.path) }
        case .upstream(let bytes, let auto):
            return (try? API.UpstreamTLS(serializedBytes: bytes)).map { builder.upstream($0, auto, source.path) }
        }
    }
}
