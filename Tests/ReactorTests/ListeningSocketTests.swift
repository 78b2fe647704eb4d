// Listening sockets: addresses, sharing, pausing, and running out of descriptors.
import Glibc
import Reactor
import TestKit
import Testing

@Suite struct ListeningSocketTests {
    let loop: EventLoop

    init() throws { loop = try EventLoop() }

    @Test func addressesInUseAreNamed() throws {
        let first = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        let address = first.localAddress
        #expect(address.port != 0)
        #expect(throws: SystemError("bind", code: EADDRINUSE, subject: address.description)) {
            _ = try ListeningSocket.bind(address, loop: loop)
        }
        first.close()
        #expect(!first.isOpen)
        let again = try ListeningSocket.bind(address, loop: loop)
        again.close()
    }

    @Test func reusePortSpreadsOverSockets() throws {
        var options = ListenOptions()
        options.reusePort = true
        let first = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop, options: options)
        let second = try ListeningSocket.bind(first.localAddress, loop: loop, options: options)
        var counts = [0, 0]
        let owner = RecordingDelegate()
        for (index, listener) in [first, second].enumerated() {
            try listener.start { _ in counts[index] += 1 }
        }
        let clients = (0..<64).map { _ in
            Connection.connect(to: first.localAddress, loop: loop, delegate: owner)
        }
        #expect(loop.turn(until: { counts[0] + counts[1] == 64 }))
        #expect(counts[0] > 0 && counts[1] > 0)
        for client in clients { client.close() }
        first.close()
        second.close()
    }

    @Test func ipv6SocketsTakeIPv4OnlyWhenAsked() throws {
        for both in [false, true] {
            var options = ListenOptions()
            options.acceptsIPv4 = both
            let listener = try ListeningSocket.bind(.v6(.any, scope: 0, port: 0), loop: loop, options: options)
            var peer: SocketAddress?
            try listener.start { peer = $0.remoteAddress }
            let delegate = RecordingDelegate()
            let client = Connection.connect(
                to: .v4(.loopback, port: listener.localAddress.port), loop: loop, delegate: delegate)
            #expect(loop.turn(until: { peer != nil || delegate.closed != nil }))
            #expect((peer != nil) == both)
            if case .v6(let address, _, _)? = peer { #expect(address.mappedIPv4 == .loopback) }
            client.close()
            listener.close()
        }
    }

    @Test func unixSocketsReplaceStaleFilesAndSetTheirMode() throws {
        let path = "/tmp/outrider-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        var options = ListenOptions()
        options.unixMode = 0o600
        let stale = try ListeningSocket.bind(.unix(path: path), loop: loop, options: options)
        stale.close()
        let listener = try ListeningSocket.bind(.unix(path: path), loop: loop, options: options)
        defer { unlink(path) }
        #expect(listener.localAddress == .unix(path: path))
        var info = stat()
        #expect(stat(path, &info) == 0 && info.st_mode & 0o777 == 0o600)
        listener.close()
        unlink(path)
        // A file that is no socket is not removed.
        let file = open(path, O_CREAT | O_WRONLY, 0o600)
        close(file)
        #expect(throws: SystemError("bind", code: EADDRINUSE, subject: path)) {
            _ = try ListeningSocket.bind(.unix(path: path), loop: loop)
        }
        #expect(throws: SystemError("bind", code: ENAMETOOLONG, subject: String(repeating: "x", count: 108))) {
            _ = try ListeningSocket.bind(.unix(path: String(repeating: "x", count: 108)), loop: loop)
        }
    }

    @Test func pausedSocketsLeaveConnectionsInTheBacklog() throws {
        let listener = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        var accepted = 0
        try listener.start { _ in
            accepted += 1
            listener.pause()
        }
        let owner = RecordingDelegate()
        let clients = (0..<3).map { _ in
            Connection.connect(to: listener.localAddress, loop: loop, delegate: owner)
        }
        #expect(loop.turn(until: { accepted == 1 && owner.established == 3 }))
        loop.turnWhileBusy()
        #expect(accepted == 1)
        listener.resume()
        #expect(loop.turn(until: { accepted == 2 }))
        listener.close()
        loop.turnWhileBusy()
        #expect(accepted == 2)
        for client in clients { client.close() }
    }

    @Test(arguments: [
        (32, Array(repeating: 1, count: 8) + Array(repeating: 2, count: 8) + Array(repeating: 4, count: 9)),
        (2, Array(repeating: 1, count: 8) + Array(repeating: 2, count: 26)),
    ])
    func anEventTakesAsManyAsTheOnesBeforeHaveFound(_ limit: Int, _ batches: [Int]) throws {
        let listener = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        var seen: [Int] = []
        listener.batch = limit
        listener.acceptedBatch = { seen.append($0) }
        try listener.start { _ in }
        let owner = RecordingDelegate()
        var clients = (0..<60).map { _ in Connection.connect(to: listener.localAddress, loop: loop, delegate: owner) }
        #expect(loop.turn(until: { seen.reduce(0, +) == 60 }))
        #expect(seen == batches)
        // The last event found less than it might have taken: the next one does not ask for more than that.
        clients += (0..<5).map { _ in Connection.connect(to: listener.localAddress, loop: loop, delegate: owner) }
        seen = []
        #expect(loop.turn(until: { seen.reduce(0, +) == 5 }))
        #expect(seen == (limit == 2 ? [2, 2, 1] : [4, 1]))
        for client in clients { client.close() }
        listener.close()
    }

    @Test func adoptedSocketsShareTheBacklog() throws {
        let first = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        let other = try EventLoop()
        let second = try ListeningSocket.adopt(descriptor: try first.duplicateDescriptor(), loop: other)
        #expect(second.localAddress == first.localAddress)
        var accepted = 0
        try second.start { _ in accepted += 1 }
        let owner = RecordingDelegate()
        let client = Connection.connect(to: first.localAddress, loop: loop, delegate: owner)
        #expect(loop.turn(until: { owner.established == 1 }))
        #expect(other.turn(until: { accepted == 1 }))
        second.pause()
        let late = Connection.connect(to: first.localAddress, loop: loop, delegate: owner)
        #expect(loop.turn(until: { owner.established == 2 }))
        other.turnWhileBusy()
        #expect(accepted == 1)
        second.resume()
        #expect(other.turn(until: { accepted == 2 }))
        for connection in [client, late] { connection.close() }
        first.close()
        second.close()
        #expect(throws: SystemError.self) { _ = try ListeningSocket.adopt(descriptor: -1, loop: loop) }
    }

    @Test func runningOutOfDescriptorsBacksOffAndRecovers() async {
        // In a process of its own, because the limit is the process's.
        await #expect(processExitsWith: .success) {
            let clock = TestClock()
            let loop = try EventLoop(clock: clock)
            let listener = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
            var accepted = 0
            var failures: [SystemError] = []
            listener.acceptFailed = { failures.append($0) }
            try listener.start { _ in accepted += 1 }
            let owner = RecordingDelegate()
            let client = Connection.connect(to: listener.localAddress, loop: loop, delegate: owner)
            var hoard: [Int32] = []
            var limit = rlimit(rlim_cur: 64, rlim_max: 64)
            precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            while true {
                let descriptor = dup(0)
                if descriptor < 0 { break }
                hoard.append(descriptor)
            }
            precondition(loop.turn(until: { !failures.isEmpty }))
            precondition(failures[0].code == EMFILE && listener.acceptFailures == 1 && accepted == 0)
            // Nothing happens before the timer, whose time does not come by itself.
            loop.turnWhileBusy()
            precondition(failures.count == 1)
            clock.advance(by: .milliseconds(100))
            precondition(loop.turn(until: { failures.count == 2 }))
            for descriptor in hoard { close(descriptor) }
            clock.advance(by: .milliseconds(100))
            precondition(loop.turn(until: { accepted == 1 }))
            client.close()
            exit(0)
        }
    }

    @Test func trafficDoesNotGetTheLastDescriptors() async {
        // In a process of its own, because the limit is the process's.
        await #expect(processExitsWith: .success) {
            let loop = try EventLoop(clock: TestClock())
            let traffic = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
            let admin = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
            admin.usesReserve = true
            var failures = 0
            var kept: [Connection] = []
            let owner = RecordingDelegate()
            traffic.acceptFailed = { _ in failures += 1 }
            try traffic.start { socket in
                if let one = try? Connection.accept(socket, loop: loop, delegate: owner) { kept.append(one) }
            }
            var admitted = 0
            try admin.start { _ in admitted += 1 }
            var limit = rlimit(rlim_cur: 256, rlim_max: 256)
            precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            precondition(ProcessLimits.raiseOpenFiles() == 256)
            // Clients and what is accepted share the numbers, until there is none for either.
            while failures == 0 && owner.closed == nil {
                let client = Connection.connect(to: traffic.localAddress, loop: loop, delegate: owner)
                kept.append(client)
                loop.turnWhileBusy()
                precondition(kept.count < 300)
            }
            let next = dup(0)
            precondition(next >= 224 && next < 230, "\(next)")
            // Outgoing connections are refused, too.
            let refused = RecordingDelegate()
            _ = Connection.connect(to: traffic.localAddress, loop: loop, delegate: refused)
            precondition(loop.turn(until: { refused.closed != nil }))
            guard case .connectFailed(let error)? = refused.closed, error.code == EMFILE else { exit(1) }
            // Whoever is not traffic has some left.
            let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = admin.localAddress.port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            let result = withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            precondition(result == 0)
            precondition(loop.turn(until: { admitted == 1 }))
            exit(0)
        }
    }
}
