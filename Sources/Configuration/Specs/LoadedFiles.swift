// The files that a configuration names, as one load finds them.
import Reactor

/// Reads each file once, so that all who name it get the same. One load, one thread.
final class LoadedFiles {
    /// Bytes of a certificate, key or body.
    private static let maxFile = 8 << 20

    private let waits: Bool
    /// For files that hold messages.
    private(set) lazy var schema = given ?? Schema.envoy()
    private let given: Schema?
    private var contents: [String: [UInt8]] = [:]
    /// From before the file was read: what is written to it later shows.
    private var stamps: [WatchedPlace: FileStamp] = [:]

    /// - Parameter waits: for the writers of pipes, as a process that starts may; one that serves must not.
    /// - Parameter schema: where it is there already.
    init(waits: Bool = true, schema: Schema? = nil) {
        self.waits = waits
        given = schema
    }

    func read(_ path: String) throws(SystemError) -> [UInt8] {
        if let known = contents[path] { return known }
        _ = stamp(of: .file(path))
        let bytes = try FileContents.read(path, limit: Self.maxFile, waits: waits)
        contents[path] = bytes
        return bytes
    }

    /// The state of a place when it was first asked for.
    func stamp(of place: WatchedPlace) -> FileStamp {
        if let known = stamps[place] { return known }
        let stamp = FileStamp(place.path)
        stamps[place] = stamp
        return stamp
    }
}
