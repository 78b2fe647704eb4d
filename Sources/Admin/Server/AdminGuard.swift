// Who may change the process by the admin port.
import DataPlane
import Metrics
import Reactor

/// Asks for a token or a user where the configuration does. Main thread only.
final class AdminGuard {
    /// Bytes of a token file that are read.
    private static let tokenLimit = 4096

    private let spec: AdminChangesSpec
    /// nil: nobody is refused.
    private let refused: Counter?
    /// Users at the other ends of Unix sockets, by connection; only where users matter.
    private var users: [UInt64: UInt32] = [:]

    /// - Parameter prefix: "http.admin."
    init(_ spec: AdminChangesSpec, _ cells: StatCells, prefix: String) {
        self.spec = spec
        refused = spec.isOpen ? nil : cells.counter(prefix + "rq_change_refused")
    }

    func opened(_ connection: Connection) {
        if !spec.users.isEmpty, let user = connection.peerUser { users[connection.id] = user }
    }

    func closed(_ connection: Connection) {
        if !spec.users.isEmpty { users[connection.id] = nil }
    }

    func user(of connection: UInt64) -> UInt32? { users[connection] }

    /// The answer to whom may not; nil: he may.
    func refusal(_ request: AdminRequest) -> AdminAnswer? {
        if spec.isOpen { return nil }
        if let user = request.user, spec.users.contains(user) { return nil }
        if let path = spec.tokenFile, let given = request.token, isToken(given, in: path) { return nil }
        refused?.increment()
        var ways: [String] = []
        if spec.tokenFile != nil { ways.append("'authorization: Bearer TOKEN' (outrider.admin.token_file)") }
        if !spec.users.isEmpty {
            ways.append("to come by the Unix socket as one of the users of outrider.admin.allowed_users")
        }
        return AdminAnswer(
            "\(request.path) changes the process and needs \(ways.joined(separator: ", or "))\n", status: 403)
    }

    /// The file is read each time: tokens are renewed, and few requests ask for it. One that is empty or cannot be read
    /// fits nobody.
    private func isToken(_ given: String, in path: String) -> Bool {
        guard let bytes = try? FileContents.read(path, limit: AdminGuard.tokenLimit, waits: false) else { return false }
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0d).contains($0) }
        let token = Array(bytes.drop(while: isSpace).reversed().drop(while: isSpace).reversed())
        let said = Array(given.utf8)
        guard !token.isEmpty, token.count == said.count else { return false }
        // How long this takes tells nothing of where they differ.
        return zip(token, said).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
