// Folders: making them, and removing the ones we made.
import Glibc

/// Folders of small files. Blocks: main thread only, never a worker.
public enum Folder {
    /// Makes an empty folder that only its owner can enter, in $TMPDIR or /tmp, and returns its path.
    public static func makeTemporary(prefix: String) throws(SystemError) -> String {
        var parent = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        while parent.count > 1 && parent.hasSuffix("/") { parent.removeLast() }
        let pattern = (parent.isEmpty ? "/tmp" : parent) + "/\(prefix)-XXXXXX"
        // Invariant: a copy of our own, which mkdtemp writes the name into.
        guard let name = strdup(pattern) else { throw SystemError("mkdtemp", subject: pattern) }
        defer { free(name) }
        guard mkdtemp(name) != nil else { throw SystemError("mkdtemp", subject: pattern) }
        return String(cString: name)
    }

    /// Makes a folder and those above it, if they are not there. New ones can be entered by their owner only.
    public static func make(_ path: String) throws(SystemError) {
        var end = path.startIndex
        while end != path.endIndex {
            let from = path[end] == "/" ? path.index(after: end) : end
            end = path[from...].firstIndex(of: "/") ?? path.endIndex
            let part = String(path[..<end])
            if part.isEmpty || part == "/" { continue }
            if mkdir(part, 0o700) != 0 && errno != EEXIST { throw SystemError("mkdir", subject: part) }
        }
    }

    /// Whether a file or folder of this name is there.
    public static func has(_ path: String) -> Bool {
        var info = stat()
        return lstat(path, &info) == 0
    }

    /// Removes a folder and the files in it. Folders in it stay, and so does it then.
    public static func remove(_ path: String) throws(SystemError) {
        guard let listing = opendir(path) else { throw SystemError("opendir", subject: path) }
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { unlink("\(path)/\(name)") }
        }
        closedir(listing)
        if rmdir(path) != 0 { throw SystemError("rmdir", subject: path) }
    }
}
