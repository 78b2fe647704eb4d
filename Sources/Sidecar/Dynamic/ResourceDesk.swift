// What all kinds of dynamic resources have in common: how they are asked for, read, and shown.
import Configuration
import ControlPlane
import DataPlane
import Logging
import Metrics
import Reactor

/// The tools of those who take resources in. Main thread only.
final class ResourceDesk: TimerTarget {
    let reader: ResourceReader
    let subscriptions: SubscriptionManager
    let shown: DynamicConfiguration
    let loop: EventLoop
    let cells: StatCells
    let log = Logger(label: "config")
    private let unknownFields: Counter
    /// What was said once already; bounded, for a control plane decides what there is to say.
    private var told: Set<String> = []
    private static let mostTold = 1000
    /// When the reader rests. Updates come in bursts, EDS with one for each cluster: what reading takes is not made for each
    /// of them.
    private var restTimer: LoopTimer?
    private static let restAfter = TimeAmount.seconds(1)
    /// Bytes read since the reader rested; of a file's resources nobody knows.
    private var bytesRead = 0
    /// Reading takes a hundred times as much memory as the resources have bytes, and the allocator keeps it: from here on
    /// it is worth the while to give it back.
    private static let worthReleasing = 1 << 15

    init(
        reader: ResourceReader, subscriptions: SubscriptionManager, shown: DynamicConfiguration, loop: EventLoop,
        cells: StatCells
    ) {
        self.reader = reader
        self.subscriptions = subscriptions
        self.shown = shown
        self.loop = loop
        self.cells = cells
        unknownFields = cells.counter("server.dynamic_unknown_fields")
    }

    /// A resource for the reader, which rests a while after the last of them. `place`: "cds".
    func bytes(_ resource: DiscoveredResource, place: String) -> ResourceBytes {
        if restTimer == nil { restTimer = LoopTimer(loop: loop, target: self) }
        restTimer?.arm(after: ResourceDesk.restAfter)
        bytesRead += resource.origin == nil ? resource.bytes.count : ResourceDesk.worthReleasing
        return resource.origin as? ResourceBytes
            ?? ResourceBytes(typeURL: resource.typeURL, bytes: resource.bytes, place: place)
    }

    func timerFired(_ timer: LoopTimer) {
        reader.rest()
        if bytesRead >= ResourceDesk.worthReleasing { HeapMemory.release() }
        bytesRead = 0
    }

    /// Who is closed may be in the middle of an update.
    func keepForThisTurn(_ watcher: any ResourceWatcher) { loop.later { withExtendedLifetime(watcher) {} } }

    /// Says what the reader has noticed, each once.
    func note<Spec>(_ read: ReadResource<Spec>) {
        unknownFields.add(UInt64(read.warnings.count { $0.kind == .unknownField }))
        for warning in read.warnings where isNew(warning.description) { log.warning("\(warning)") }
        for line in read.skipped where isNew(line) { log.info("\(line)") }
    }

    private func isNew(_ line: String) -> Bool {
        told.count < ResourceDesk.mostTold && told.insert(line).inserted
    }

    /// The text of a NACK; nil: there is nothing wrong.
    static func joined(_ problems: [String]) -> String? { problems.isEmpty ? nil : problems.joined(separator: "\n") }
}

extension ResourceUpdate {
    /// Those of the known resources that are no more. Where one of the update cannot even be told by name, nothing is taken
    /// to be gone.
    func missing(from known: Set<String>) -> Set<String> {
        guard isWhole else { return known.intersection(removed) }
        if resources.contains(where: \.name.isEmpty) { return [] }
        return known.subtracting(resources.map(\.name))
    }
}
