// Files that change while the process runs: told by the kernel, and looked at now and then where it cannot tell.
import CLinux
import Glibc

/// Tells when places in the file system have changed. Used on the loop's thread, which must be no worker's: looking at
/// files blocks.
///
/// The kernel (inotify) tells at once of what happens on this machine, on local file systems. What it does not tell of
/// (network file systems, changes through another mount, a folder above that is exchanged) is found by comparing stamps
/// at every poll.
public final class FileWatch: IOHandler, TimerTarget {
    /// Why a folder is left to the poll.
    public struct Blindness: Sendable {
        public let folder: String
        public let error: SystemError
    }

    private struct Watched {
        let place: WatchedPlace
        var stamp: FileStamp
    }

    /// One inotify watch.
    private struct Folder {
        var byName: [String: Set<Int>] = [:]
        /// Those for which every move into the folder counts.
        var moves: Set<Int> = []
        /// All of both.
        var everyone: Set<Int> = []
    }

    /// Something was written, moved in, made, or may be read now that could not be; or the folder itself goes.
    private static let mask = bits(
        IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE, IN_ATTRIB, IN_DELETE_SELF, IN_MOVE_SELF, IN_ONLYDIR)
    private static let goneMask = bits(IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT)

    private static func bits(_ flags: Int32...) -> UInt32 {
        flags.reduce(0) { $0 | UInt32(bitPattern: $1) }
    }

    private let loop: EventLoop
    private let pollInterval: TimeAmount?
    private var timer: LoopTimer?
    private var changed: ((Set<Int>) -> Void)?
    private let blind: (Blindness) -> Void
    /// Places of whose folders `blind` was told.
    private var toldBlind: Set<Int> = []
    private var descriptor: Int32
    private var key = SlotKey(bits: 0)
    /// By number.
    private var watched: [Int: Watched] = [:]
    private var nextNumber = 0
    /// By watch descriptor.
    private var folders: [Int32: Folder] = [:]

    /// - Parameters:
    ///   - places: with the state that is known already: a place that is in another one now has changed.
    ///   - pollInterval: how often stamps are compared; nil: never.
    ///   - blind: told of folders that the kernel does not tell of, once for each place.
    ///   - changed: gets the numbers of places that may have changed: positions in `places`, or what `add` returned. Never
    ///     called from inside this call.
    public init(
        _ places: [(place: WatchedPlace, stamp: FileStamp)], loop: EventLoop, pollInterval: TimeAmount?,
        blind: @escaping (Blindness) -> Void, changed: @escaping (Set<Int>) -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.pollInterval = pollInterval
        self.blind = blind
        self.changed = changed
        descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
        let failure = descriptor < 0 ? SystemError("inotify_init1") : nil
        for one in places { insert(one.place, one.stamp) }
        if let failure {
            // No instance left for this user: the poll is all there is.
            blind(Blindness(folder: "any folder", error: failure))
        } else {
            // Invariant: closed by `close`, or by deinit where it was never registered.
            key = try loop.register(descriptor, IOEvents.readable, self)
            arm()
        }
        let timer = LoopTimer(loop: loop, target: self)
        // What has changed between its first reading and now is found by the first look, at once.
        timer.arm(after: .zero)
        self.timer = timer
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// `changed` is not called any more. Needed before the last reference is dropped.
    public func close() {
        changed = nil
        timer = nil
        guard descriptor >= 0 else { return }
        loop.unregister(descriptor, key)
        Glibc.close(descriptor)
        descriptor = -1
    }

    /// Watches more places, each known by the number that is returned.
    public func add(_ places: [(place: WatchedPlace, stamp: FileStamp)]) -> [Int] {
        let numbers = places.map { insert($0.place, $0.stamp) }
        arm()
        timer?.arm(after: .zero)
        return numbers
    }

    public func remove(_ numbers: Set<Int>) {
        for number in numbers { watched[number] = nil }
        toldBlind.subtract(numbers)
        arm()
    }

    @discardableResult
    private func insert(_ place: WatchedPlace, _ stamp: FileStamp) -> Int {
        watched[nextNumber] = Watched(place: place, stamp: stamp)
        nextNumber += 1
        return nextNumber - 1
    }

    /// Folders that the kernel tells of.
    public var folderCount: Int { folders.count }

    public func timerFired(_ timer: LoopTimer) {
        var found: Set<Int> = []
        for (number, one) in watched {
            let stamp = FileStamp(one.place.path)
            guard stamp != one.stamp else { continue }
            found.insert(number)
            watched[number]?.stamp = stamp
        }
        arm()
        if let pollInterval { timer.arm(after: pollInterval) }
        if !found.isEmpty { changed?(found) }
    }

    // MARK: - inotify

    func ioReady(_ events: IOEvents) {
        var found: Set<Int> = []
        // Bytes of a kernel structure: 16 of numbers, then the name with its padding.
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 8) { buffer in
            while descriptor >= 0, case let count = read(descriptor, buffer.baseAddress, buffer.count), count > 0 {
                take(UnsafeRawBufferPointer(rebasing: buffer[..<count]), into: &found)
            }
        }
        guard !found.isEmpty else { return }
        // Links may lead elsewhere now, and folders may have come and gone. To be watched before anything is read.
        arm()
        for number in found {
            if let place = watched[number]?.place { watched[number]?.stamp = FileStamp(place.path) }
        }
        changed?(found)
    }

    private func take(_ bytes: UnsafeRawBufferPointer, into found: inout Set<Int>) {
        var offset = 0
        while offset + 16 <= bytes.count {
            let watch = bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)
            let mask = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
            let length = Int(bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
            guard offset + 16 + length <= bytes.count else { return }
            let name = bytes[(offset + 16)..<(offset + 16 + length)].prefix { $0 != 0 }
            offset += 16 + length
            if mask & UInt32(IN_Q_OVERFLOW) != 0 {
                found.formUnion(watched.keys)
                continue
            }
            // Of a watch that was given up meanwhile there is nothing to say.
            guard let folder = folders[watch] else { continue }
            if mask & FileWatch.goneMask != 0 { found.formUnion(folder.everyone) }
            if mask & UInt32(IN_MOVED_TO) != 0 { found.formUnion(folder.moves) }
            if !name.isEmpty, let those = folder.byName[String(decoding: name, as: UTF8.self)] {
                found.formUnion(those)
            }
            // The kernel has taken the watch away, and may use its number again.
            if mask & UInt32(IN_IGNORED) != 0 { folders[watch] = nil }
        }
    }

    /// Watches the folders that have a part in the places as they are now, and no others.
    private func arm() {
        guard descriptor >= 0 else { return }
        var points: [WatchPoint: Set<Int>] = [:]
        for (number, one) in watched {
            for point in one.place.watchPoints() { points[point, default: []].insert(number) }
        }
        var numbers: [String: Int32] = [:]
        var newer: [Int32: Folder] = [:]
        for (point, places) in points {
            let number = numbers[point.folder] ?? inotify_add_watch(descriptor, point.folder, FileWatch.mask)
            numbers[point.folder] = number
            guard number >= 0 else {
                let error = SystemError("inotify_add_watch", subject: point.folder)
                if error.code != ENOENT, !places.isSubset(of: toldBlind) {
                    toldBlind.formUnion(places)
                    blind(Blindness(folder: point.folder, error: error))
                }
                continue
            }
            var folder = newer[number] ?? Folder()
            if let name = point.name {
                folder.byName[name, default: []].formUnion(places)
            } else {
                folder.moves.formUnion(places)
            }
            folder.everyone.formUnion(places)
            newer[number] = folder
        }
        for number in folders.keys where newer[number] == nil { inotify_rm_watch(descriptor, number) }
        folders = newer
    }
}
