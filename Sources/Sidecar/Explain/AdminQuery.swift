// One question to the admin port of a running process.
import HTTPWire
import Reactor

/// Resolves, connects, sends a GET and reads the whole answer. Loop thread only.
///
/// All addresses of a name are tried, one after the other. Its owner holds it until it has
/// answered.
final class AdminQuery: ConnectionDelegate, TimerTarget {
    /// The status and the body, or why there is none, for people.
    typealias Answer = (_ result: Result<(status: Int, body: [UInt8]), Failure>) -> Void

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Bytes of an answer that are taken.
    private static let limit = 64 << 20

    private let place: ProbeTarget.Place
    private let path: String
    private let loop: EventLoop
    private let time: TimeAmount
    private var answer: Answer?
    private var query: DNSQuery?
    private var addresses: [SocketAddress] = []
    private var connection: Connection?
    private var failure = "no answer yet"
    private var received: [UInt8] = []
    private var timer: LoopTimer?

    /// Begins; `answer` is called once, in a later turn.
    ///
    /// - Parameter limit: for all of it.
    init(
        _ target: ProbeTarget, path: String, loop: EventLoop, resolver: DNSResolver, limit: TimeAmount,
        _ answer: @escaping Answer
    ) {
        place = target.place
        self.path = path
        self.loop = loop
        time = limit
        self.answer = answer
        let timer = LoopTimer(loop: loop, target: self)
        timer.arm(after: limit)
        self.timer = timer
        switch place {
        case .unix(let path):
            addresses = [.unix(path: path)]
            connectNext()
        case .host(let name, let port):
            query = resolver.resolve(name, family: .all) { [unowned self] result in
                switch result {
                case .success(let answers):
                    addresses = answers.map { SocketAddress($0.address, port: port) }
                    connectNext()
                case .failure(let failure):
                    finish(.failure(Failure(description: "\(name): \(failure)")))
                }
            }
        }
    }

    private func finish(_ result: Result<(status: Int, body: [UInt8]), Failure>) {
        let answer = answer
        self.answer = nil
        query?.cancel()
        timer?.disarm()
        connection?.close()
        connection = nil
        answer?(result)
    }

    private func connectNext() {
        guard !addresses.isEmpty else { return finish(.failure(Failure(description: failure))) }
        connection = .connect(to: addresses.removeFirst(), loop: loop, delegate: self)
    }

    // MARK: Events

    func timerFired(_ timer: LoopTimer) { finish(.failure(Failure(description: "no answer within \(time)"))) }

    func connectionEstablished(_ connection: Connection) {
        connection.output.append(
            "GET \(path) HTTP/1.1\r\nHost: localhost\r\nUser-Agent: outrider\r\nConnection: close\r\n\r\n")
        connection.flush()
    }

    func connectionReadable(_ connection: Connection) {
        while true {
            switch connection.fill() {
            case .data:
                received += connection.input.array
                connection.input.clear()
                if received.count > AdminQuery.limit {
                    return finish(.failure(Failure(description: "the answer is longer than \(AdminQuery.limit) bytes")))
                }
            case .end: return finish(AdminQuery.message(received))
            case .wouldBlock, .failed: return
            }
        }
    }

    func connectionDrained(_ connection: Connection) {}

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        guard answer != nil else { return }
        switch reason {
        case .connectFailed(let error), .failed(let error): failure = error.reason
        case .remoteReset: failure = "the connection was reset"
        case .tlsFailed, .flushed: failure = "the connection ended before an answer"
        }
        connectNext()
    }

    /// An HTTP/1 response that the end of its connection ends.
    static func message(_ bytes: [UInt8]) -> Result<(status: Int, body: [UInt8]), Failure> {
        bytes.withUnsafeBytes { buffer in
            let view = ByteView(buffer)
            guard let end = view.firstRange(of: ByteView("\r\n\r\n")) else {
                return .failure(Failure(description: "the answer is not HTTP/1"))
            }
            let head = view.prefix(end.lowerBound).string
            let words = head.prefix { !$0.isNewline }.split(separator: " ")
            guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
                return .failure(Failure(description: "the answer is not HTTP/1"))
            }
            let body = view.dropFirst(end.upperBound)
            for line in head.split(whereSeparator: \.isNewline) {
                let parts = line.split(separator: ":", maxSplits: 1)
                guard parts.count == 2, parts[0].lowercased() == "content-length" else { continue }
                guard Int(parts[1].drop { $0 == " " }) == body.count else {
                    return .failure(Failure(description: "the answer was cut off"))
                }
            }
            return .success((status, body.array))
        }
    }
}
