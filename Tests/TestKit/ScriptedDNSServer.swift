// A DNS server on loopback that answers what the test says.
import Glibc
import Reactor
import Synchronization

/// Answers UDP questions from a script, on a thread of its own, until it is stopped.
public final class ScriptedDNSServer: Sendable {
    public enum Record: Sendable {
        case a(String, ttl: UInt32)
        case aaaa(String, ttl: UInt32)
        /// An alias; records of the target follow it in the list.
        case cname(String, ttl: UInt32)
    }

    public enum Answer: Sendable {
        /// The records of the asked type; none of it is "no data".
        case records([Record])
        /// An error: 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED.
        case code(UInt8)
        /// No answer at all.
        case silence
    }

    private struct State {
        var answers: [String: Answer] = [:]
        var questions: [String] = []
    }

    /// Where it listens.
    public let address: SocketAddress
    private let descriptor: Int32
    private let state: ServerState
    private let thread: LoopThread

    private final class ServerState: Sendable {
        let state = Mutex(State())
    }

    /// Starts it. Names that it is not told about do not exist.
    public init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var raw = sockaddr_in()
        raw.sin_family = sa_family_t(AF_INET)
        raw.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &raw) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else { throw SystemError("bind") }
        address = .v4(.loopback, port: UInt16(bigEndian: raw.sin_port))
        self.descriptor = descriptor
        let state = ServerState()
        self.state = state
        thread = try LoopThread(name: "dns") { ScriptedDNSServer.serve(descriptor, state) }
    }

    /// What to say to questions for `name` (lower case, no dot at the end).
    public func set(_ name: String, _ answer: Answer) {
        state.state.withLock { $0.answers[name] = answer }
    }

    /// "A name" and "AAAA name" for every question so far.
    public var questions: [String] { state.state.withLock { $0.questions } }

    /// Ends it and frees the port.
    public func stop() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        thread.join()
        close(descriptor)
    }

    private static func serve(_ descriptor: Int32, _ state: ServerState) {
        var buffer = [UInt8](repeating: 0, count: 1500)
        while true {
            var peer = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let (count, _) = withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    (recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length), 0)
                }
            }
            // Shut down sockets report an empty read.
            guard count > 0 else { return }
            guard let reply = reply(to: Array(buffer[..<count]), state) else { continue }
            withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = sendto(descriptor, reply, reply.count, 0, $0, length)
                }
            }
        }
    }

    private static func reply(to question: [UInt8], _ state: ServerState) -> [UInt8]? {
        var labels: [String] = []
        var place = 12
        while place < question.count, question[place] > 0 {
            let end = place + 1 + Int(question[place])
            guard end < question.count else { return nil }
            labels.append(String(decoding: question[(place + 1)..<end], as: UTF8.self).lowercased())
            place = end
        }
        guard place + 5 <= question.count else { return nil }
        let name = labels.joined(separator: ".")
        let type = question[place + 2]
        let answer = state.state.withLock { state in
            state.questions.append((type == 28 ? "AAAA " : "A ") + name)
            return state.answers[name] ?? .code(3)
        }
        var records: [[UInt8]] = []
        var code: UInt8 = 0
        switch answer {
        case .silence: return nil
        case .code(let value): code = value
        case .records(let list): records = encode(list, owner: wireName(name), type: type)
        }
        let header: [UInt8] = [0x81, 0x80 | code, 0, 1, 0, UInt8(records.count), 0, 0, 0, 0]
        return question[..<2] + header + question[12..<(place + 5)] + records.flatMap { $0 }
    }

    private static func encode(_ records: [Record], owner: [UInt8], type: UInt8) -> [[UInt8]] {
        var owner = owner
        var encoded: [[UInt8]] = []
        for record in records {
            switch record {
            case .a(let text, let ttl) where type == 1:
                encoded.append(resource(owner, 1, ttl, IPAddress(text)?.bytes ?? []))
            case .aaaa(let text, let ttl) where type == 28:
                encoded.append(resource(owner, 28, ttl, IPAddress(text)?.bytes ?? []))
            case .cname(let target, let ttl):
                encoded.append(resource(owner, 5, ttl, wireName(target)))
                owner = wireName(target)
            default:
                break
            }
        }
        return encoded
    }

    private static func resource(_ owner: [UInt8], _ type: UInt8, _ ttl: UInt32, _ data: [UInt8]) -> [UInt8] {
        let lifetime = (0..<4).map { UInt8(truncatingIfNeeded: ttl >> UInt32(24 - 8 * $0)) }
        return owner + [0, type, 0, 1] + lifetime + [0, UInt8(data.count)] + data
    }

    private static func wireName(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }
}
