// One of the demo's two sidecars.
import Reactor

/// A child process of the same binary that runs on a bootstrap of the demo's. Main thread only.
final class DemoSidecar {
    let name: String
    let bootstrapPath: String
    let process: ChildProcess
    private let logPath: String
    private let adminPath: String
    private var adminAddress: SocketAddress?
    /// Set once it serves.
    private(set) var admin: DemoClient?
    var listener: SocketAddress?

    /// Writes the bootstrap into the folder and starts the process. It ends with this one, however this one ends.
    init(_ name: String, bootstrap: String, folder: String) throws(SystemError) {
        self.name = name
        bootstrapPath = "\(folder)/\(name).yaml"
        logPath = "\(folder)/\(name).log"
        adminPath = "\(folder)/\(name).admin"
        try FileContents.write(Array(bootstrap.utf8), to: bootstrapPath)
        process = try ChildProcess.start(
            "/proc/self/exe",
            [
                "outrider", "demo", "sidecar", "--parent", "\(ChildProcess.ownID)", "--", "-c", bootstrapPath,
                "--concurrency", "1", "--admin-address-path", adminPath, "--drain-time-s", "2",
            ], log: logPath)
    }

    /// Looks for the file that tells the admin port; true once it is known.
    func findAdmin(_ loop: EventLoop) -> Bool {
        guard admin == nil else { return true }
        guard let text = try? FileContents.read(adminPath, limit: 4096),
            let address = DemoSidecar.address(String(decoding: text, as: UTF8.self))
        else { return false }
        adminAddress = address
        admin = DemoClient(loop: loop, address: address, connections: 1)
        return true
    }

    /// Takes the listener's address out of the text of `/listeners`: "inbound::127.0.0.1:4000".
    func readListeners(_ page: [UInt8]) {
        for line in String(decoding: page, as: UTF8.self).split(separator: "\n") where line.hasPrefix("\(name)::") {
            listener = DemoSidecar.address(String(line.dropFirst(name.count + 2)))
        }
    }

    /// "http://127.0.0.1:4001"
    var adminURL: String { "http://\(adminAddress?.description ?? "")" }
    /// "127.0.0.1:4000"
    var listenerText: String { listener?.description ?? "" }

    /// The last lines of what it has printed.
    func lastWords(_ count: Int = 12) -> String {
        let text = (try? FileContents.read(logPath)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n").suffix(count).map { "    \($0)" }.joined(separator: "\n")
    }

    static func address(_ text: String) -> SocketAddress? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...].prefix { $0.isNumber }
        guard let port = UInt16(digits) else { return nil }
        return SocketAddress(parsing: String(text[..<colon]), port: port)
    }
}
