// All subscriptions of the process, by where their resources come from.
import DataPlane
import EnvoyAPI
import Logging
import Metrics
import Reactor
import SwiftProtobuf

/// Gets resources from control planes and files for whoever wants them. Main thread only.
///
/// Subscriptions to equal sources share a stream (per type, or one for all types on ADS) or a look at a file.
public final class SubscriptionManager {
    private enum Key: Hashable {
        case aggregated
        case stream(GRPCSourceSpec, ResourceType)
    }

    private let aggregated: GRPCSourceSpec?
    private let surroundings: StreamSurroundings
    private let cells: StatCells
    private let files: FileSubscriptions
    private var streams: [Key: DiscoveryStream] = [:]

    /// - Parameters:
    ///   - aggregated: `ads_config`.
    ///   - node: who we are, for the requests: a serialized `envoy.config.core.v3.Node`.
    ///   - readFile: reads the DiscoveryResponse in a file.
    ///   - transport: makes the way to a control plane.
    public init(
        aggregated: GRPCSourceSpec?, node: [UInt8], limits: ControlPlaneLimitsSpec, loop: EventLoop,
        cells: StatCells, readFile: @escaping FileSubscriptions.Reader,
        transport: @escaping (GRPCSourceSpec) -> any DiscoveryTransport
    ) {
        self.aggregated = aggregated
        self.cells = cells
        let log = Logger(label: "config")
        // The reader of the file has written these bytes.
        let node = (try? Envoy_Config_Core_V3_Node(serializedBytes: node)) ?? Envoy_Config_Core_V3_Node()
        files = FileSubscriptions(loop: loop, log: log, read: readFile)
        surroundings = StreamSurroundings(
            loop: loop, stats: ControlPlaneStats(cells),
            codec: { DiscoveryCodec(isDelta: $0, node: node, maxResources: limits.maxResources) },
            transport: transport, log: log)
    }

    /// Asks for resources from now on. `statPrefix`: "cluster_manager.cds."; nil: the watcher counts by itself. `hold`: the
    /// stats go with it; nil: they stay. The watcher is not kept alive by this; it hears of nothing before this has
    /// returned.
    public func subscribe(
        _ type: ResourceType, _ interest: ResourceInterest, from source: ConfigSourceSpec, statPrefix: String?,
        hold: StatHold? = nil, watcher: any ResourceWatcher
    ) -> Subscription {
        let subscription = Subscription(
            type, interest, watcher: watcher, statPrefix: statPrefix, loop: surroundings.loop,
            cells: hold.map { cells.held(by: $0) } ?? cells)
        switch source.place {
        case .file(let path, let watched): files.add(subscription, path: path, watched: watched)
        case .aggregated: stream(.aggregated).add(subscription, timeout: source.initialFetchTimeout)
        case .grpc(let grpc): stream(.stream(grpc, type)).add(subscription, timeout: source.initialFetchTimeout)
        }
        return subscription
    }

    private func stream(_ key: Key) -> DiscoveryStream {
        if let known = streams[key] { return known }
        let made: DiscoveryStream
        switch key {
        // A file without ads_config has no source `ads` either; one that were there would never be connected.
        case .aggregated: made = DiscoveryStream(aggregated ?? GRPCSourceSpec(cluster: ""), type: nil, surroundings)
        case .stream(let source, let type): made = DiscoveryStream(source, type: type, surroundings)
        }
        made.becameUnused = { [weak self] in
            // Whoever closes one subscription may be about to begin another.
            self?.surroundings.loop.later { self?.closeUnused() }
        }
        streams[key] = made
        return made
    }

    /// Ends streams that nobody uses any more. ADS stays.
    private func closeUnused() {
        for (key, stream) in streams where key != .aggregated && stream.isUnused {
            stream.close()
            streams[key] = nil
        }
    }

    /// Reads all files of subscriptions now. Returns how many there are.
    public func lookAtFiles() -> Int { files.lookAtAll() }

    /// Ends all streams and watches. Needed before the last reference is dropped.
    public func close() {
        for stream in streams.values { stream.close() }
        streams = [:]
        files.close()
    }
}
