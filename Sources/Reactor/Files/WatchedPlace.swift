// What a file watch looks at, and the folders that show when it changes.
import Glibc

/// A place in the file system whose changes matter.
public enum WatchedPlace: Sendable, Hashable {
    /// A file: written, replaced, or found by way of another link.
    case file(String)
    /// A folder, into which something is moved: writers that prepare several files first make them known in this way.
    case moves(into: String)

    public var path: String {
        switch self {
        case .file(let path), .moves(let path): path
        }
    }
}

/// A folder in which something may happen to a place.
struct WatchPoint: Hashable {
    var folder: String
    /// The entry of the folder that matters; nil: whatever is moved into it.
    var name: String?
}

extension WatchedPlace {
    /// As many links as the kernel follows.
    private static let maxLinks = 40

    /// Every folder that has a part in what the place is: the one that holds it, and those of the links on the way to it,
    /// so that a link that is set to another target is seen (a mounted Kubernetes volume changes by one such move). Where
    /// the way ends because something is missing, the folder in which it would appear.
    func watchPoints() -> [WatchPoint] {
        var points: [WatchPoint] = []
        var folder = path.hasPrefix("/") ? "/" : "."
        var rest = path.split(separator: "/").reversed().map(String.init)
        var links = 0
        while let name = rest.popLast() {
            if name == "." { continue }
            let here = folder == "/" ? "/\(name)" : "\(folder)/\(name)"
            var info = stat()
            guard name == ".." || lstat(here, &info) == 0 else {
                points.append(WatchPoint(folder: folder, name: name))
                return points
            }
            let isLink = name != ".." && info.st_mode & S_IFMT == S_IFLNK
            if isLink, let target = WatchedPlace.target(of: here) {
                points.append(WatchPoint(folder: folder, name: name))
                links += 1
                if links > WatchedPlace.maxLinks { return points }
                if target.hasPrefix("/") { folder = "/" }
                rest += target.split(separator: "/").reversed().map(String.init)
                continue
            }
            if rest.isEmpty, case .file = self {
                points.append(WatchPoint(folder: folder, name: name))
                return points
            }
            folder = here
        }
        points.append(WatchPoint(folder: folder, name: nil))
        return points
    }

    private static func target(of link: String) -> String? {
        var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = bytes.withUnsafeMutableBytes { buffer in
            buffer.baseAddress.map { readlink(link, $0.assumingMemoryBound(to: CChar.self), buffer.count) } ?? 0
        }
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
