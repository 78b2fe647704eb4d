// SDS: certificates, keys and trust that a control plane hands out.
import Admin
import Configuration
import ControlPlane
import DataPlane
import Metrics
import Reactor

/// Who has TLS contexts with secrets.
enum SecretUser: Hashable {
    case listener(name: String)
    case cluster(name: String)

    fileprivate var initManager: String {
        switch self {
        case .listener(let name): "Listener-local-init-manager \(name)"
        case .cluster(let name): "Cluster \(name)"
        }
    }
}

/// Keeps a subscription for each secret that a listener or cluster wants. Main thread only.
///
/// One that waits for its first secrets is held by `CollectionUpdates`. Later versions replace TLS contexts
/// in place, after they were checked in every context that has them; where one of them will not do, nothing changes.
final class SecretUpdates {
    private let desk: ResourceDesk
    private let reload: () -> CertificateReload?
    private var watchers: [SecretSubscription: SecretWatcher] = [:]
    private var users: [SecretUser: Set<SecretSubscription>] = [:]
    /// How many users each has.
    private var counts: [SecretSubscription: Int] = [:]
    private var waiters: [() -> Void] = []
    /// Called when a secret has come; what is wrong comes back.
    fileprivate var arrived: () -> [String] = { [] }

    /// `reload`: who makes TLS contexts again.
    init(_ desk: ResourceDesk, reload: @escaping () -> CertificateReload?) {
        self.desk = desk
        self.reload = reload
    }

    /// `arrived`: takes what has waited for secrets, and tells what is wrong.
    func start(_ arrived: @escaping () -> [String]) { self.arrived = arrived }

    func close() { for watcher in watchers.values { watcher.close() } }

    /// Calls back when each secret that is asked for now has come, or is not waited for any more: at once if there is none.
    func whenAnswered(_ done: @escaping () -> Void) {
        waiters.append(done)
        checkAnswered()
    }

    fileprivate func checkAnswered() {
        guard !waiters.isEmpty, watchers.values.allSatisfy(\.isAnswered) else { return }
        let due = waiters
        waiters = []
        for done in due { done() }
    }

    /// What is held because secrets of it are not there yet.
    var missing: [UnreadyTargets] {
        let found = users.map { user, wanted in
            let names = wanted.filter { desk.reader.secrets[$0] == nil }.map { "shared target SdsApi \($0.name)" }
            return UnreadyTargets(user.initManager, names.sorted())
        }
        return found.filter { !$0.targets.isEmpty }.sorted { $0.manager < $1.manager }
    }

    /// Somebody waits for these, and wants those of before still.
    func use(more subscriptions: [SecretSubscription], by user: SecretUser) {
        use(Array((users[user] ?? []).union(subscriptions)), by: user)
    }

    /// Somebody wants these from now on, in place of those of before.
    func use(_ subscriptions: [SecretSubscription], by user: SecretUser) {
        let wanted = Set(subscriptions)
        let before = users[user] ?? []
        guard wanted != before else { return }
        users[user] = wanted.isEmpty ? nil : wanted
        for one in wanted.subtracting(before) {
            counts[one, default: 0] += 1
            guard watchers[one] == nil else { continue }
            let watcher = SecretWatcher(one, desk, self)
            watchers[one] = watcher
            watcher.start()
        }
        for one in before.subtracting(wanted) {
            let left = (counts[one] ?? 1) - 1
            counts[one] = left > 0 ? left : nil
            if left <= 0 { drop(one) }
        }
    }

    private func drop(_ subscription: SecretSubscription) {
        watchers.removeValue(forKey: subscription)?.close()
        desk.reader.setSecret(nil, for: subscription)
        desk.shown.removeDynamic(.secret, subscription.name)
        checkAnswered()
    }

    /// The files and secrets behind these TLS contexts count from now on; of others of these clusters none do.
    func follow(_ sources: [TLSContextSources], ofClusters names: [String]) {
        guard let reload = reload() else { return }
        reload.remove(clusters: names)
        let some = sources.filter { !$0.sources.isEmpty }
        if !some.isEmpty { reload.add(some) }
    }

    /// What is wrong with a newer secret in the contexts that have it. Where nothing is, they have the newer one.
    fileprivate func replace(_ secret: ReceivedSecret, _ subscription: SecretSubscription) -> [String] {
        reload()?.receive(secret, for: subscription) ?? []
    }
}

/// One secret.
private final class SecretWatcher: ResourceWatcher {
    private let spec: SecretSubscription
    private let desk: ResourceDesk
    private unowned let secrets: SecretUpdates
    /// Names of secrets come and go; so do their stats.
    private let stats: StatHold
    private var subscription: Subscription?
    /// In its canonical form.
    private var taken: [UInt8]?
    /// It has come, or is not waited for any more.
    private(set) var isAnswered = false

    init(_ spec: SecretSubscription, _ desk: ResourceDesk, _ secrets: SecretUpdates) {
        self.spec = spec
        self.desk = desk
        self.secrets = secrets
        stats = desk.cells.store.makeHold()
    }

    func start() {
        // As Envoy shows what is still to come.
        show(.warming, version: "uninitialized", ReceivedSecret.named(spec.name))
        subscription = desk.subscriptions.subscribe(
            .secrets, .named([spec.name]), from: spec.source, statPrefix: "sds.\(spec.name.statName).", hold: stats,
            watcher: self)
    }

    func close() {
        subscription?.close()
        desk.keepForThisTurn(self)
    }

    func noFirstAnswer(isTimeout: Bool) {
        desk.log.warning("sds '\(spec.name)': no secret has come; what needs it waits")
        answered()
    }

    private func answered() {
        isAnswered = true
        secrets.checkAnswered()
    }

    func resourcesChanged(_ update: ResourceUpdate) -> String? {
        defer { answered() }
        // As in Envoy, a secret that was removed stays in use.
        guard let resource = update.resources.first else { return nil }
        let read: ReadResource<ReceivedSecret>
        do throws(ConfigurationErrors) {
            read = try desk.reader.secret(desk.bytes(resource, place: "sds"))
        } catch {
            return error.description
        }
        guard read.bytes != taken else { return nil }
        desk.note(read)
        var problems = secrets.replace(read.spec, spec)
        if problems.isEmpty {
            let before = desk.reader.secrets[spec]
            desk.reader.setSecret(read.spec, for: spec)
            problems = secrets.arrived()
            if !problems.isEmpty { desk.reader.setSecret(before, for: spec) }
        }
        if let text = ResourceDesk.joined(problems) {
            desk.shown.setFailed(
                .secret, spec.name, version: update.version, bytes: read.bytes, details: text,
                time: desk.loop.wallNow)
            return text
        }
        taken = read.bytes
        desk.shown.endDynamic(.secret, spec.name, .warming)
        show(.active, version: resource.version, read.bytes)
        return nil
    }

    private func show(_ state: DynamicConfiguration.State, version: String, _ bytes: [UInt8]) {
        desk.shown.setDynamic(.secret, spec.name, state, version: version, bytes: bytes, time: desk.loop.wallNow)
    }
}

extension TLSContextSources {
    /// The secrets among them that control planes hand out.
    var controlPlaneSecrets: [SecretSubscription] {
        sources.flatMap(\.subscriptions).filter { $0.place == nil }
    }
}
