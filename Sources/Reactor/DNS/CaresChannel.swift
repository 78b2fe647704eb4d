// One c-ares channel on a loop: its sockets, its timeouts, and its lookups.
import CCares
import CLinux
import Glibc

/// The state of c-ares for one reading of the configuration. All calls into the library come through here, on the
/// loop's thread.
///
/// Safety: c-ares gets this object's address and calls back only from within `start`, `process` and `close`, during
/// which the caller holds a reference. `close` comes before the last reference goes, and no call follows it.
final class CaresChannel: TimerTarget {
    private let loop: EventLoop
    private var channel: ares_channel?
    private var sockets: [Int32: CaresSocket] = [:]
    private var timer: LoopTimer?
    /// Lookups whose answer is still to come.
    private(set) var pendingCount = 0

    init(loop: EventLoop, options: DNSOptions) throws(SystemError) {
        self.loop = loop
        guard CaresChannel.libraryStatus == 0 else { throw CaresChannel.error(CaresChannel.libraryStatus) }
        var settings = ares_options()
        var mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB
        settings.flags = (options.usesTCP ? ARES_FLAG_USEVC : 0) | (options.usesSearchDomains ? 0 : ARES_FLAG_NOSEARCH)
        settings.timeout = Int32(clamping: options.timeoutMilliseconds)
        settings.tries = Int32(clamping: max(1, options.tries))
        settings.sock_state_cb = CaresChannel.socketChanged
        settings.sock_state_cb_data = Unmanaged.passUnretained(self).toOpaque()
        var status: Int32 = 0
        if options.usesHostsFile {
            status = ares_init_options(&channel, &settings, mask)
        } else {
            mask |= ARES_OPT_LOOKUPS
            // "b" for the servers alone. c-ares copies it.
            var lookups: [CChar] = [0x62, 0]
            status = lookups.withUnsafeMutableBufferPointer { text in
                settings.lookups = text.baseAddress
                return ares_init_options(&channel, &settings, mask)
            }
        }
        guard status == 0 else { throw CaresChannel.error(status) }
        let servers = options.servers.filter { !$0.isUnix }.map(\.description).joined(separator: ",")
        if !servers.isEmpty {
            status = ares_set_servers_ports_csv(channel, servers)
            guard status == 0 else {
                ares_destroy(channel)
                throw CaresChannel.error(status)
            }
        }
        timer = LoopTimer(loop: loop, target: self)
    }

    /// Ends every lookup (they fail as cancelled) and closes the sockets. Not to be called from a lookup's end.
    func close() {
        guard let closing = channel else { return }
        ares_destroy(closing)
        channel = nil
        timer = nil
        for socket in sockets.values { socket.close() }
        sockets = [:]
    }

    /// Begins a lookup; `lookup.finish` is called once, possibly from inside this call.
    func start(_ lookup: DNSLookup) {
        guard let channel else { return }
        pendingCount += 1
        var hints = ares_addrinfo_hints()
        hints.ai_flags = ARES_AI_NOSORT
        hints.ai_family = lookup.key.family.queried
        let call = Unmanaged.passRetained(PendingCall(channel: self, lookup: lookup)).toOpaque()
        ares_getaddrinfo(channel, lookup.key.name, nil, &hints, CaresChannel.answered, call)
        armTimer()
    }

    func timerFired(_ timer: LoopTimer) {
        process(read: ARES_SOCKET_BAD, write: ARES_SOCKET_BAD)
    }

    fileprivate func process(read: Int32, write: Int32) {
        guard let channel else { return }
        ares_process_fd(channel, read, write)
        armTimer()
    }

    private func armTimer() {
        guard let channel, let timer else { return }
        var next = timeval()
        guard ares_timeout(channel, nil, &next) != nil else {
            timer.disarm()
            return
        }
        timer.arm(after: .seconds(Int64(next.tv_sec)) + .microseconds(Int64(next.tv_usec)))
    }

    private func setInterest(_ descriptor: Int32, reads: Bool, writes: Bool) {
        let interest = (reads ? IOEvents.readable : 0) | (writes ? IOEvents.writable : 0)
        if interest == 0 {
            sockets.removeValue(forKey: descriptor)?.close()
        } else if let socket = sockets[descriptor] {
            socket.setInterest(interest)
        } else {
            sockets[descriptor] = CaresSocket(loop: loop, channel: self, descriptor: descriptor, interest: interest)
        }
    }

    private static let socketChanged: ares_sock_state_cb = { context, descriptor, reads, writes in
        guard let context else { return }
        Unmanaged<CaresChannel>.fromOpaque(context).takeUnretainedValue()
            .setInterest(descriptor, reads: reads != 0, writes: writes != 0)
    }

    private final class PendingCall {
        let channel: CaresChannel
        let lookup: DNSLookup

        init(channel: CaresChannel, lookup: DNSLookup) {
            self.channel = channel
            self.lookup = lookup
        }
    }

    private static let answered: ares_addrinfo_callback = { context, status, _, result in
        defer { if let result { ares_freeaddrinfo(result) } }
        guard let context else { return }
        let call = Unmanaged<PendingCall>.fromOpaque(context).takeRetainedValue()
        call.channel.pendingCount -= 1
        if status == cares_destruction || status == cares_cancelled {
            call.lookup.finish(nil)
        } else if status == cares_success {
            call.lookup.finish(.success(CaresChannel.answers(of: result)))
        } else {
            call.lookup.finish(.failure(CaresChannel.failure(status)))
        }
    }

    private static func answers(of result: UnsafeMutablePointer<ares_addrinfo>?) -> [DNSAnswer] {
        guard let result else { return [] }
        var aliasTTL = Int32.max
        var alias = result.pointee.cnames
        while let current = alias {
            aliasTTL = min(aliasTTL, current.pointee.ttl)
            alias = current.pointee.next
        }
        var answers: [DNSAnswer] = []
        var seen: Set<IPAddress> = []
        var node = result.pointee.nodes
        while let current = node {
            node = current.pointee.ai_next
            guard let address = address(of: current.pointee), seen.insert(address).inserted else { continue }
            let ttl = UInt32(clamping: min(aliasTTL, current.pointee.ai_ttl))
            answers.append(DNSAnswer(address: address, ttlSeconds: ttl))
        }
        return answers
    }

    private static func address(of node: ares_addrinfo_node) -> IPAddress? {
        guard let raw = node.ai_addr else { return nil }
        var storage = sockaddr_storage()
        let length = min(Int(node.ai_addrlen), MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: UnsafeRawBufferPointer(start: raw, count: length)) }
        return SocketAddress(storage, length: socklen_t(length))?.ip
    }

    private static func failure(_ status: Int32) -> DNSFailure {
        switch status {
        case cares_not_found: return .notFound
        case cares_no_data: return .noData
        case cares_timeout: return .timedOut
        case cares_connection_refused: return .unreachable
        case cares_bad_name: return .invalidName
        default: return .serverFailure(String(cString: ares_strerror(status)))
        }
    }

    /// c-ares wants this once per process, before anything else.
    private static let libraryStatus = ares_library_init(ARES_LIB_INIT_ALL)

    private static func error(_ status: Int32) -> SystemError {
        let code = status == cares_no_memory ? ENOMEM : EINVAL
        return SystemError("c-ares", code: code, subject: String(cString: ares_strerror(status)))
    }
}

/// A socket that c-ares opened and closes.
private final class CaresSocket: IOHandler {
    private let loop: EventLoop
    private unowned let channel: CaresChannel
    private let descriptor: Int32
    private var key: SlotKey?

    init(loop: EventLoop, channel: CaresChannel, descriptor: Int32, interest: UInt32) {
        self.loop = loop
        self.channel = channel
        self.descriptor = descriptor
        // Without the registration the lookup ends by its timeout.
        key = try? loop.register(descriptor, interest, self)
    }

    func setInterest(_ interest: UInt32) {
        if let key { loop.modify(descriptor, interest, key) }
    }

    func close() {
        if let key { loop.unregister(descriptor, key, keepsOpen: true) }
        key = nil
    }

    func ioReady(_ events: IOEvents) {
        let reads = events.canRead || events.isBroken
        channel.process(
            read: reads ? descriptor : ARES_SOCKET_BAD, write: events.canWrite ? descriptor : ARES_SOCKET_BAD)
    }
}
