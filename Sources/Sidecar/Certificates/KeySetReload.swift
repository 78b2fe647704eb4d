// Files of keys (`local_jwks`) that are read again when they change.
import Configuration
import DataPlane
import Logging
import Reactor

/// Follows files until nobody has their keys any more. Main thread only.
///
/// A file is read when it has been quiet for a moment. What is no set of keys changes nothing, and the log says why.
final class KeySetReload: TimerTarget {
    /// Chains that an update leaves alone go on with the keys of the listener before: a path may have several holders.
    private struct Followed {
        weak var file: KeySetFile?
    }

    private let loop: EventLoop
    private let log: Logger
    private var files: [String: [Followed]] = [:]
    /// By the watch's number.
    private var paths: [Int: String] = [:]
    private var watch: FileWatch?
    private var changed: Set<String> = []
    private lazy var timer = LoopTimer(loop: loop, target: self)

    /// Bytes of a file, at most.
    private static let maxBytes = 8 << 20

    /// - Parameter pollInterval: see `FileWatch`.
    init(pollInterval: TimeAmount?, loop: EventLoop, log: Logger) throws(SystemError) {
        self.loop = loop
        self.log = log
        watch = try FileWatch([], loop: loop, pollInterval: pollInterval) { blind in
            log.warning("the kernel does not tell of changes in \(blind.folder) (\(blind.error))")
        } changed: { [unowned self] numbers in
            note(numbers.compactMap { paths[$0] })
        }
    }

    /// Needed before the last reference is dropped.
    func close() {
        watch?.close()
        watch = nil
        timer.disarm()
    }

    func follow(_ newer: [KeySetFile]) {
        forgetUnused()
        for file in newer {
            if files[file.path] == nil, let number = watch?.add([(.file(file.path), file.stamp)]).first {
                paths[number] = file.path
            }
            files[file.path, default: []].append(Followed(file: file))
        }
    }

    /// Reads all files at once. Returns how many there are.
    func lookAtAll() -> Int {
        forgetUnused()
        note(Array(files.keys))
        if !files.isEmpty { timer.arm(after: .zero) }
        return files.count
    }

    private func note(_ paths: [String]) {
        guard !paths.isEmpty else { return }
        changed.formUnion(paths)
        timer.arm(after: CertificateReload.quietTime)
    }

    func timerFired(_ timer: LoopTimer) {
        forgetUnused()
        for path in changed.sorted() where files[path] != nil { read(path) }
        changed = []
    }

    private func read(_ path: String) {
        let text: [UInt8]
        do throws(SystemError) {
            text = try FileContents.read(path, limit: KeySetReload.maxBytes, waits: false)
        } catch {
            return log.warning("keys in \(path): cannot be read: \(error.reason): those from before stay in use")
        }
        do throws(JSONWebKeySetError) {
            _ = try JSONWebKeySet(text)
        } catch {
            return log.warning("keys in \(path): \(error): those from before stay in use")
        }
        for holder in files[path] ?? [] { holder.file?.replace(with: text) }
        log.info("keys in \(path) were read again")
    }

    private func forgetUnused() {
        for (path, holders) in files {
            let left = holders.filter { $0.file != nil }
            files[path] = left.isEmpty ? nil : left
        }
        let unused = Set(paths.filter { files[$0.value] == nil }.keys)
        guard !unused.isEmpty else { return }
        watch?.remove(unused)
        for number in unused { paths[number] = nil }
    }
}
