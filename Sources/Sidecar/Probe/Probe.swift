// One look at whether something answers.
import Reactor

/// Resolves, connects and, where a path is asked for, sends a GET. Loop thread only.
///
/// All addresses of a name are tried, one after the other. Dropping the probe, or `cancel`, ends it without an answer.
final class Probe: ConnectionDelegate, TimerTarget {
    /// nil: it answers. Otherwise why not, for people.
    typealias Answer = (_ failure: String?) -> Void

    /// Bytes of a response that are looked at.
    private static let headLimit = 8 << 10

    private let target: ProbeTarget
    private let loop: EventLoop
    private var answer: Answer?
    private var query: DNSQuery?
    private var addresses: [SocketAddress] = []
    private var connection: Connection?
    private var failure = "no answer yet"
    private var timer: LoopTimer?
    private let limit: TimeAmount

    /// Begins; `answer` is called once, in a later turn.
    ///
    /// - Parameter limit: for all of it.
    init(_ target: ProbeTarget, loop: EventLoop, resolver: DNSResolver, limit: TimeAmount, _ answer: @escaping Answer) {
        self.target = target
        self.loop = loop
        self.limit = limit
        self.answer = answer
        let timer = LoopTimer(loop: loop, target: self)
        timer.arm(after: limit)
        self.timer = timer
        switch target.place {
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
                    finish("\(name): \(failure)")
                }
            }
        }
    }

    deinit { cancel() }

    func cancel() {
        answer = nil
        query?.cancel()
        timer?.disarm()
        connection?.close()
        connection = nil
    }

    private func finish(_ failure: String?) {
        let answer = answer
        cancel()
        answer?(failure)
    }

    private func connectNext() {
        guard !addresses.isEmpty else { return finish(failure) }
        connection = .connect(to: addresses.removeFirst(), loop: loop, delegate: self)
    }

    // MARK: Events

    func timerFired(_ timer: LoopTimer) { finish("no answer within \(limit)") }

    func connectionEstablished(_ connection: Connection) {
        guard let path = target.path else { return finish(nil) }
        let host: String
        switch target.place {
        case .host(let name, let port): host = name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)"
        case .unix: host = "localhost"
        }
        connection.output.append(
            "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: outrider\r\nAccept: */*\r\nConnection: close\r\n\r\n")
        connection.flush()
    }

    func connectionReadable(_ connection: Connection) {
        while true {
            switch connection.fill() {
            case .data:
                if look(connection, isWhole: false) { return }
            case .end:
                if !look(connection, isWhole: true) { finish("the connection ended before an answer") }
                return
            case .wouldBlock, .failed:
                return
            }
        }
    }

    func connectionDrained(_ connection: Connection) {}

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        switch reason {
        case .connectFailed(let error), .failed(let error): failure = error.reason
        case .remoteReset: failure = "the connection was reset"
        case .tlsFailed, .flushed: failure = "the connection ended before an answer"
        }
        connectNext()
    }

    /// Looks at what has come of the response; true when that was enough.
    private func look(_ connection: Connection, isWhole: Bool) -> Bool {
        let bytes = connection.input.contiguous(min(connection.input.count, Probe.headLimit))
        let head = bytes.firstRange(of: ByteView("\r\n\r\n"))
        guard head != nil || isWhole || connection.input.count >= Probe.headLimit else { return false }
        let words = bytes.string.prefix { !$0.isNewline }.split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            finish("the answer is not HTTP/1")
            return true
        }
        if (200..<400).contains(status) {
            finish(nil)
        } else {
            // What it says of itself: the first line of the body, if that came along.
            let body = head.map { bytes.dropFirst($0.upperBound).prefix(200).string } ?? ""
            let line = body.prefix { !$0.isNewline }.filter { $0.unicodeScalars.allSatisfy { $0.value >= 0x20 } }
            finish("status \(status)" + (line.isEmpty ? "" : ": \(line)"))
        }
        return true
    }
}
