// A control plane that does what the test says, without sockets, and the rig around it.
import DataPlane
import EnvoyAPI
import Metrics
import Reactor
import SwiftProtobuf
import TestKit
import Testing

@testable import ControlPlane

/// Keeps what was sent, and lets the test answer.
final class ScriptedTransport: DiscoveryTransport {
    let isDelta: Bool
    private(set) var opened: [String] = []
    private(set) var isReadingPaused = false
    private(set) var isOpen = false
    /// Not read by the test yet.
    private var sent: [[UInt8]] = []
    private weak var owner: (any DiscoveryTransportOwner)?
    var isBackedUp = false

    init(isDelta: Bool) { self.isDelta = isDelta }

    func open(_ method: String, owner: any DiscoveryTransportOwner) {
        opened.append(method)
        isOpen = true
        self.owner = owner
    }

    func send(_ message: [UInt8]) { sent.append(message) }
    func pauseReading() { isReadingPaused = true }
    func resumeReading() { isReadingPaused = false }
    func close() { isOpen = false }

    // MARK: - The test's side

    func connect() { owner?.transportConnected() }
    func drain() {
        isBackedUp = false
        owner?.transportDrained()
    }
    func answer(_ bytes: [UInt8]) { owner?.transportReceived(bytes) }
    func end(_ reason: String = "gone", isOverLimit: Bool = false) {
        isOpen = false
        owner?.transportEnded(reason, isOverLimit: isOverLimit)
    }

    /// What was sent since the last call, in a line each.
    func taken() -> [String] {
        let lines = sent.map { isDelta ? Self.delta($0) : Self.whole($0) }
        sent = []
        return lines
    }

    private static func short(_ typeURL: String) -> String { String(typeURL.split(separator: ".").last ?? "") }

    private static func whole(_ bytes: [UInt8]) -> String {
        guard let message = try? Envoy_Service_Discovery_V3_DiscoveryRequest(serializedBytes: bytes) else { return "?" }
        var line = short(message.typeURL) + " [\(message.resourceNames.joined(separator: ","))]"
        if !message.versionInfo.isEmpty { line += " v=\(message.versionInfo)" }
        if !message.responseNonce.isEmpty { line += " n=\(message.responseNonce)" }
        if message.hasErrorDetail { line += " NACK \(message.errorDetail.code): \(message.errorDetail.message)" }
        if message.hasNode { line += " node=\(message.node.id)" }
        return line
    }

    private static func delta(_ bytes: [UInt8]) -> String {
        guard let message = try? Envoy_Service_Discovery_V3_DeltaDiscoveryRequest(serializedBytes: bytes)
        else { return "?" }
        var line = short(message.typeURL)
        if !message.resourceNamesSubscribe.isEmpty {
            line += " +" + message.resourceNamesSubscribe.joined(separator: ",")
        }
        if !message.resourceNamesUnsubscribe.isEmpty {
            line += " -" + message.resourceNamesUnsubscribe.joined(separator: ",")
        }
        for (name, version) in message.initialResourceVersions.sorted(by: { $0.key < $1.key }) {
            line += " \(name)=\(version)"
        }
        if !message.responseNonce.isEmpty { line += " n=\(message.responseNonce)" }
        if message.hasErrorDetail { line += " NACK \(message.errorDetail.code): \(message.errorDetail.message)" }
        return line
    }
}

/// Writes down what it is told.
final class RecordingWatcher: ResourceWatcher {
    /// "+a@1,b@1 -c v=3 whole"
    private(set) var updates: [String] = []
    private(set) var missing = 0
    /// What is wrong with updates.
    var problem: String?
    var onUpdate: (ResourceUpdate) -> Void = { _ in }

    func resourcesChanged(_ update: ResourceUpdate) -> String? {
        var parts: [String] = []
        if !update.resources.isEmpty {
            parts.append("+" + update.resources.map { "\($0.name)@\($0.version)" }.joined(separator: ","))
        }
        if !update.removed.isEmpty { parts.append("-" + update.removed.joined(separator: ",")) }
        parts.append("v=\(update.version)")
        if update.isWhole { parts.append("whole") }
        updates.append(parts.joined(separator: " "))
        onUpdate(update)
        return problem
    }

    func noFirstAnswer(isTimeout: Bool) { missing += 1 }

    /// Updates since the last call.
    func taken() -> [String] {
        let result = updates
        updates = []
        return result
    }
}

/// A subscription manager with a scripted control plane, and a clock that the test moves.
final class ControlPlaneRig {
    let clock = TestClock()
    let loop: EventLoop
    let store = StatStore()
    let manager: SubscriptionManager
    private let transportsMade: Box<[ScriptedTransport]>
    private var held: [Subscription] = []

    convenience init(readFile: @escaping FileSubscriptions.Reader) throws {
        try self.init(isDelta: false, readFile: readFile)
    }

    init(
        isDelta: Bool = false, limits: ControlPlaneLimitsSpec = ControlPlaneLimitsSpec(),
        _ change: (inout GRPCSourceSpec) -> Void = { _ in },
        readFile: @escaping FileSubscriptions.Reader = { _, _ in .failure(.init("no files here")) }
    ) throws {
        loop = try EventLoop(clock: clock)
        var source = GRPCSourceSpec(cluster: "xds")
        source.isDelta = isDelta
        change(&source)
        var node = Envoy_Config_Core_V3_Node()
        node.id = "me"
        let made = Box<[ScriptedTransport]>([])
        transportsMade = made
        manager = SubscriptionManager(
            aggregated: source, node: (try? node.serializedBytes()) ?? [], limits: limits, loop: loop,
            cells: store.makeCells(), readFile: readFile
        ) { spec in
            let transport = ScriptedTransport(isDelta: spec.isDelta)
            made.value?.append(transport)
            return transport
        }
    }

    private var transports: [ScriptedTransport] { transportsMade.value ?? [] }

    /// The stream that was asked for as the first, or as `index`.
    func transport(_ index: Int = 0, sourceLocation: SourceLocation = #_sourceLocation) throws -> ScriptedTransport {
        try #require(transports.count > index ? transports[index] : nil, sourceLocation: sourceLocation)
    }

    var streamCount: Int { transports.count }

    /// Subscribes on ADS, or from `source`.
    @discardableResult
    func subscribe(
        _ type: ResourceType, _ names: String..., source: ConfigSourceSpec = ConfigSourceSpec(.aggregated),
        prefix: String = "sub.", watcher: RecordingWatcher
    ) -> Subscription {
        let one = manager.subscribe(
            type, names.isEmpty ? .everything : .named(names), from: source, statPrefix: prefix, watcher: watcher)
        held.append(one)
        return one
    }

    /// To the end of the turn, when requests go out.
    func turn() { loop.turnWhileBusy() }

    func advance(_ amount: TimeAmount) {
        clock.advance(by: amount)
        turn()
    }

    func stat(_ name: String) -> UInt64 { store.snapshot().value(name) }
    /// All text readouts and numbers, as on the stats page.
    var text: String { String(decoding: StatsText.render(store.snapshot()), as: UTF8.self) }

    // MARK: - Responses

    /// A message of any of the types, with the name in its first field.
    static func resource(_ type: ResourceType, _ name: String) -> Google_Protobuf_Any {
        var cluster = Envoy_Config_Cluster_V3_Cluster()
        cluster.name = name
        var any = Google_Protobuf_Any()
        any.typeURL = type.typeURL
        any.value = (try? cluster.serializedBytes()) ?? any.value
        return any
    }

    static func whole(
        _ type: ResourceType, _ version: String, _ nonce: String, _ names: String...,
        change: (inout Envoy_Service_Discovery_V3_DiscoveryResponse) -> Void = { _ in }
    ) -> [UInt8] {
        var response = Envoy_Service_Discovery_V3_DiscoveryResponse()
        response.typeURL = type.typeURL
        response.versionInfo = version
        response.nonce = nonce
        response.resources = names.map { resource(type, $0) }
        change(&response)
        return (try? response.serializedBytes()) ?? []
    }

    /// `resources`: names with versions.
    static func delta(
        _ type: ResourceType, _ nonce: String, _ resources: [(String, String)] = [], removed: [String] = [],
        change: (inout Envoy_Service_Discovery_V3_DeltaDiscoveryResponse) -> Void = { _ in }
    ) -> [UInt8] {
        var response = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse()
        response.typeURL = type.typeURL
        response.nonce = nonce
        response.resources = resources.map { name, version in
            var resource = Envoy_Service_Discovery_V3_Resource()
            resource.name = name
            resource.version = version
            resource.resource = Self.resource(type, name)
            return resource
        }
        response.removedResources = removed
        change(&response)
        return (try? response.serializedBytes()) ?? []
    }

    deinit {
        manager.close()
        loop.turnWhileBusy()
    }
}
