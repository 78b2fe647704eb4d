// What every spec builder needs: the report, the runtime, the secrets, and the names of clusters.
import DataPlane
import EnvoyAPI
import Matching
import Reactor
import SwiftProtobuf

/// Shared by the builders of one load. One thread.
final class SpecContext {
    let report: ConfigurationReport
    /// The runtime layers, which give values to settings that name a `runtime_key`.
    var runtime = RuntimeSpec()
    /// Runtime keys that a setting asked for.
    private(set) var usedRuntimeKeys: Set<String> = []
    /// Names of all clusters, for references.
    var clusterNames: Set<String> = []
    /// No cluster can come later: who names another one is wrong.
    var areAllClustersKnown = true
    /// Route configurations that do not say `validate_clusters` have theirs checked.
    var validatesRoutes = true
    /// Clusters that a TCP proxy uses: their ALPN is the application's business.
    var rawClusters: Set<String> = []
    /// What formats read of metadata, as far as they have been checked.
    var metadataUse = MetadataUse()
    /// Token buckets that filters share.
    var sharedBuckets = SharedTokenBuckets()
    /// Static secrets by name.
    var secrets = TLSSecrets([:])
    /// nil: sources of configuration are not checked again.
    var sourceRules: SourceRules? = SourceRules()
    /// It was said once that the node has no name.
    var hasNodeProblem = false
    let files: LoadedFiles
    /// TLS contexts that are made again when their files change.
    var tlsSources = TLSContextSources()
    /// Files of keys are read again when they change.
    var followsKeySets = true
    /// Positions of the places in `tlsSources`.
    private var watchedPlaces: [WatchedPlace: Int] = [:]
    /// What the TLS context that is being read depends on.
    private var noted: Set<Int> = []
    /// Secrets that control planes have sent.
    var receivedSecrets: [SecretSubscription: ReceivedSecret] = [:]
    /// Secrets that are not there yet, and where they are asked for.
    var missingSecrets: [(subscription: SecretSubscription, reference: FieldPath)] = []
    /// The secrets that it takes from elsewhere.
    private(set) var subscriptions: [SecretSubscription] = []
    /// By path, each read once; nil for one that is no good.
    private var secretFiles: [String: SecretFile?] = [:]

    init(report: ConfigurationReport, files: LoadedFiles = LoadedFiles()) {
        self.report = report
        self.files = files
    }

    // MARK: - Files that change

    /// The TLS context that is being read depends on a place, which `path` names. Where files are read once, only those of
    /// secrets from files count.
    func note(_ place: WatchedPlace, for path: FieldPath) {
        if tlsSources.areFollowed || path.document != 0 { watch(place) }
    }

    /// The TLS context that is being read depends on a place in any case.
    func watch(_ place: WatchedPlace) {
        let index = watchedPlaces[place] ?? tlsSources.places.count
        if index == tlsSources.places.count {
            tlsSources.places.append((place, files.stamp(of: place)))
            watchedPlaces[place] = index
        }
        noted.insert(index)
    }

    /// A TLS context was read: from now on what it depends on is known. One without files and secrets from elsewhere is
    /// not kept, and neither is one whose secrets are not there yet.
    func noteSource(_ owner: TLSContextOwner, _ path: FieldPath, _ request: () -> TLSContextSource.Request?) {
        defer {
            noted = []
            subscriptions = []
        }
        guard !noted.isEmpty || !subscriptions.isEmpty, !isIncomplete(path), let request = request() else { return }
        tlsSources.fileSecrets.merge(fileSecrets()) { $1 }
        tlsSources.sources.append(
            TLSContextSource(
                owner: owner, places: noted.sorted(), subscriptions: subscriptions, request: request, path: path,
                secrets: secrets, received: receivedSecrets.filter { subscriptions.contains($0.key) },
                areFilesFollowed: tlsSources.areFollowed))
    }

    /// Secrets of what stands here are not there yet.
    func isIncomplete(_ path: FieldPath) -> Bool { missingSecrets.contains { $0.reference.hasPrefix(path) } }

    /// The TLS context that is being read takes a secret from elsewhere.
    func subscribe(_ subscription: SecretSubscription) {
        if !subscriptions.contains(subscription) { subscriptions.append(subscription) }
    }

    func secretFile(_ path: String) -> SecretFile? {
        if let known = secretFiles[path] { return known }
        let file = SecretFile(path, context: self)
        secretFiles[path] = .some(file)
        return file
    }

    /// The secrets from files that the TLS context has which is being read.
    func fileSecrets() -> [SecretSubscription: FileSecret] {
        subscriptions.reduce(into: [:]) { found, one in
            guard let path = one.path, let file = secretFiles[path] ?? nil else { return }
            let bytes: [UInt8]? = try? file.secrets[one.name]?.secret.serializedBytes()
            found[one] = FileSecret(version: file.version, bytes: bytes ?? [])
        }
    }

    // MARK: - Problems

    func bad(_ path: FieldPath, _ message: String) { report.add(.badValue, path: path, message) }
    func missing(_ path: FieldPath, _ message: String = "is required") { report.add(.missing, path: path, message) }
    func unsupported(_ path: FieldPath, _ message: String) { report.add(.unsupported, path: path, message) }
    func inconsistent(_ path: FieldPath, _ message: String) { report.add(.inconsistent, path: path, message) }
    func duplicate(_ path: FieldPath, _ message: String) { report.add(.duplicate, path: path, message) }

    /// Where something else stands, in the words of a problem.
    func place(of path: FieldPath) -> String {
        report.place(of: path)
    }

    /// A cluster that something refers to.
    func checkCluster(_ name: String, _ path: FieldPath) {
        if name.isEmpty || clusterNames.contains(name) { return }
        inconsistent(
            path, "there is no cluster \(quotedForMessage(name))" + Suggestion.clause(for: name, among: clusterNames))
    }

    // MARK: - Extensions

    /// The message of an extension's `typed_config`. A config that is not there is a problem; one of another type or
    /// one that was refused already is none here.
    func unpack<M: Message>(_ config: API.AnyMessage, isSet: Bool, as type: M.Type, _ path: FieldPath) -> M? {
        guard isSet else {
            missing(path.field("typed_config"), "is required: extensions are chosen by the type of their config")
            return nil
        }
        return config.unpacked(type)
    }

    // MARK: - Scalars

    /// Seconds and nanoseconds as one amount.
    func amount(_ duration: API.Duration) -> TimeAmount {
        .seconds(duration.seconds) + .nanoseconds(Int64(duration.nanos))
    }

    /// A timeout for which zero means "off".
    func timeout(_ duration: API.Duration, isSet: Bool, default standard: TimeAmount? = nil) -> TimeAmount? {
        guard isSet else { return standard }
        let amount = amount(duration)
        return amount == .zero ? nil : amount
    }

    func port(_ value: UInt32, _ path: FieldPath) -> UInt16 {
        guard let port = UInt16(exactly: value) else {
            bad(path, "must be a port, from 0 to 65535, found \(value)")
            return 0
        }
        return port
    }

    func fraction(_ percent: API.FractionalPercent) -> Fraction {
        let denominator: UInt32
        switch percent.denominator {
        case .tenThousand: denominator = 10_000
        case .million: denominator = 1_000_000
        default: denominator = 100
        }
        return Fraction(numerator: percent.numerator, denominator: denominator)
    }

    func fraction(_ setting: API.RuntimeFraction) -> RuntimeFraction {
        if !setting.runtimeKey.isEmpty { usedRuntimeKeys.insert(setting.runtimeKey) }
        return RuntimeFraction(fraction(setting.defaultValue), key: setting.runtimeKey)
    }

    /// The number that the runtime has for `key`, or else the default of the setting.
    func number(_ standard: Double, runtimeKey key: String) -> Double {
        guard !key.isEmpty else { return standard }
        usedRuntimeKeys.insert(key)
        if case .number(let value)? = runtime.values[key] { return value }
        return standard
    }

    /// The same for whole numbers of 0 and more; what the runtime has may be anything.
    func count(_ standard: Int, runtimeKey key: String) -> Int {
        Int(min(max(number(Double(standard), runtimeKey: key), 0), 1e9))
    }

    /// A switch that the runtime may turn; what it has is `true`, `false`, or a number, of which 0 is off.
    func flag(_ standard: Bool, runtimeKey key: String) -> Bool {
        guard !key.isEmpty else { return standard }
        usedRuntimeKeys.insert(key)
        switch runtime.values[key] {
        case .text("true")?: return true
        case .text("false")?: return false
        case .number(let value)?: return value != 0
        default: return standard
        }
    }

    /// Notes that a setting reads a runtime key by itself.
    func use(runtimeKey key: String) { usedRuntimeKeys.insert(key) }

    // MARK: - Text matching

    func regex(_ pattern: String, _ path: FieldPath) -> Regex? {
        do throws(RegexError) {
            return try Regex(pattern)
        } catch {
            bad(path, error.description)
            return nil
        }
    }

    func regex(_ matcher: API.RegexMatcher, _ path: FieldPath) -> Regex? { regex(matcher.regex, path.field("regex")) }

    /// A regex with its substitution, checked against each other.
    func rewrite(_ rewrite: API.RegexRewrite, _ path: FieldPath) -> (regex: Regex, substitution: String)? {
        guard let regex = regex(rewrite.pattern, path.field("pattern")) else { return nil }
        do throws(RegexError) {
            try regex.check(substitution: rewrite.substitution)
        } catch {
            bad(path.field("substitution"), error.description)
        }
        return (regex, rewrite.substitution)
    }

    func matcher(_ matcher: API.StringMatcher, _ path: FieldPath) -> StringMatcher? {
        let ignoreCase = matcher.ignoreCase
        switch matcher.matchPattern {
        case .exact(let text)?: return StringMatcher(.exact(text), ignoreCase: ignoreCase)
        case .prefix(let text)?: return StringMatcher(.prefix(text), ignoreCase: ignoreCase)
        case .suffix(let text)?: return StringMatcher(.suffix(text), ignoreCase: ignoreCase)
        case .contains(let text)?: return StringMatcher(.contains(text), ignoreCase: ignoreCase)
        case .safeRegex(let matcher)?:
            return regex(matcher, path.field("safe_regex")).map { StringMatcher(.regex($0)) }
        case .custom?, nil:
            return nil
        }
    }

    func matchers(_ matchers: [API.StringMatcher], _ path: FieldPath) -> [StringMatcher] {
        matchers.enumerated().compactMap { matcher($1, path[$0]) }
    }

    // MARK: - Data

    /// The bytes of a data source and the name of where they are from; nil after a problem.
    func data(_ source: API.DataSource, _ path: FieldPath) -> (bytes: [UInt8], name: String)? {
        switch source.specifier {
        case .filename(let name)?:
            do throws(SystemError) {
                return (try files.read(name), name)
            } catch {
                bad(path.field("filename"), "\(quotedForMessage(name)) cannot be read: \(error.reason)")
                return nil
            }
        case .inlineBytes(let bytes)?: return ([UInt8](bytes), TLSCertificateMaterial.inlineName)
        case .inlineString(let text)?: return (Array(text.utf8), TLSCertificateMaterial.inlineName)
        case .environmentVariable(let name)?:
            guard let value = Environment.value(of: name) else {
                bad(path.field("environment_variable"), "there is no environment variable \(quotedForMessage(name))")
                return nil
            }
            return (value, "$\(name)")
        case nil:
            missing(path, "one of filename, inline_bytes, inline_string, environment_variable is required")
            return nil
        }
    }
}
