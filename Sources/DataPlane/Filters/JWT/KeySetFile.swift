// A file of keys that may change while the process runs.
import Reactor
import Synchronization

/// The keys of a file. Written by the main thread, asked for by workers before each verification: one atomic while nothing
/// changes.
public final class KeySetFile: Sendable {
    public let path: String
    /// From before it was read.
    public let stamp: FileStamp
    private let version = Atomic<UInt64>(0)
    private let text: Mutex<[UInt8]>

    /// - Parameter text: was found to be a set of keys.
    public init(_ path: String, stamp: FileStamp, text: [UInt8]) {
        self.path = path
        self.stamp = stamp
        self.text = Mutex(text)
    }

    var current: [UInt8] { text.withLock { $0 } }

    /// Takes a newer text, which was found to be a set of keys.
    public func replace(with newer: [UInt8]) {
        text.withLock { $0 = newer }
        version.wrappingAdd(1, ordering: .releasing)
    }

    /// The text, when it is another one than that of the version `seen`, which becomes its own.
    func newer(than seen: inout UInt64) -> [UInt8]? {
        let latest = version.load(ordering: .acquiring)
        guard latest != seen else { return nil }
        seen = latest
        return current
    }
}

/// Keys that are the configuration's, on one worker. Loop thread only.
final class LocalKeys {
    private(set) var keys: JSONWebKeySet
    private let file: KeySetFile?
    private var seen: UInt64 = 0

    init(_ keys: JSONWebKeySet, file: KeySetFile?) {
        self.keys = keys
        self.file = file
    }

    /// Takes up newer keys. True: there were some.
    func takeUpChanges() -> Bool {
        guard let text = file?.newer(than: &seen), let newer = try? JSONWebKeySet(text) else { return false }
        keys = newer
        return true
    }
}

extension ListenerSpec {
    /// The files whose keys its filters verify tokens by.
    public var keySetFiles: [KeySetFile] {
        allChains.flatMap { chain -> [KeySetFile] in
            guard case .http(let manager) = chain.filter else { return [] }
            return manager.filters.flatMap { filter -> [KeySetFile] in
                guard case .jwt(let jwt) = filter.kind else { return [] }
                return jwt.providers.compactMap { provider in
                    if case .file(let file) = provider.keys { file } else { nil }
                }
            }
        }
    }
}
