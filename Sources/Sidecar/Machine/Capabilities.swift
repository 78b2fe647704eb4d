// What the kernel lets this process do beyond a user's rights.
import Reactor

/// The effective capabilities of a process (capabilities(7)).
struct Capabilities: Equatable, Sendable {
    /// A capability by its bit.
    enum Name: UInt64, CustomStringConvertible {
        case netAdmin = 12
        case netRaw = 13

        var description: String {
            switch self {
            case .netAdmin: "CAP_NET_ADMIN"
            case .netRaw: "CAP_NET_RAW"
            }
        }
    }

    let bits: UInt64

    func has(_ name: Name) -> Bool { bits >> name.rawValue & 1 == 1 }

    /// Reads the line `CapEff:` of /proc/self/status. Without it all are taken as given: the system will say no.
    static func ofThisProcess() -> Capabilities {
        let status = try? FileContents.read("/proc/self/status", limit: 64 * 1024)
        return Capabilities(status: status.map { String(decoding: $0, as: UTF8.self) } ?? "")
    }

    init(status: String) {
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        bits = line?.split(whereSeparator: \.isWhitespace).last.flatMap { UInt64($0, radix: 16) } ?? .max
    }
}
