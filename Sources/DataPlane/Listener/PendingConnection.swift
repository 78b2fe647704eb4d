// A connection between accept and its filter chain: the listener's filters, and the TLS handshake.
import Reactor

/// Lives from accept until the chain's filter takes over, or the connection is given up. Loop thread only.
final class PendingConnection: ConnectionDelegate, TimerTarget {
    private enum State {
        /// The loop has not come round to it yet.
        case accepted
        /// This one of the listener's filters is next.
        case filtering(Int)
        /// A rate limit service decides whether it may go on; `next` is the limit behind that.
        case asking(FilterChain, ConnectionQuestion, next: Int)
        case handshaking(FilterChain)
        case done
    }

    /// Holds this object, too, until it is done.
    private var listener: Listener
    private let connection: Connection
    private var state = State.accepted
    private var facts: ConnectionFacts
    private var timer: LoopTimer?
    private var handshakeBegan = MonotonicTime.zero
    /// The connection to a server that may speak first, and when it is opened.
    private var headStart: TCPHeadStart?
    private var patienceTimer: LoopTimer?
    /// Another listener has handed it on; that happens once.
    private var wasHandedOn = false
    /// Position among the listener's pending connections.
    var index = -1

    init(_ listener: Listener, _ socket: consuming AcceptedSocket) throws(SystemError) {
        self.listener = listener
        connection = try Connection.accept(socket, loop: listener.loop)
        facts = ConnectionFacts(
            local: connection.localAddress ?? listener.localAddresses[0], remote: connection.remoteAddress)
        connection.delegate = self
    }

    /// The one that it was given, while it is not served yet.
    var chain: FilterChain? {
        switch state {
        case .asking(let chain, _, _), .handshaking(let chain): chain
        case .accepted, .filtering, .done: nil
        }
    }

    /// Up as plain TCP, or up with its TLS handshake done.
    func connectionEstablished(_ connection: Connection) {
        switch state {
        case .accepted: runFilters(from: 0)
        case .handshaking(let chain): serve(chain)
        case .filtering, .asking, .done: break
        }
    }

    func connectionReadable(_ connection: Connection) {
        if case .filtering(let next) = state { runFilters(from: next) }
    }

    func connectionDrained(_ connection: Connection) {}

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        switch state {
        case .asking, .handshaking:
            finish()
            listener.handshakeFailed(connection, downstream())
        case .accepted, .filtering:
            listener.stats.filterError.increment()
            refuse("")
        case .done: break
        }
    }

    func timerFired(_ timer: LoopTimer) {
        if timer === patienceTimer { return openHeadStart() }
        switch state {
        case .accepted, .filtering:
            listener.stats.preConnectionTimeout.increment()
            if listener.spec.continueOnListenerFiltersTimeout { return choose() }
            let limit = listener.spec.listenerFiltersTimeout.map { " (\($0))" } ?? ""
            refuse("its first bytes took longer than listener_filters_timeout\(limit)")
        case .handshaking:
            finish()
            listener.handshakeTimedOut(connection, downstream())
            connection.close()
        case .asking, .done: break
        }
    }

    // MARK: Filters

    private func runFilters(from first: Int) {
        var next = first
        while next < listener.filters.count {
            switch listener.filters[next].inspect(connection, &facts) {
            case .next:
                next += 1
                continue
            case .refuse(let reason):
                refuse(reason)
                return
            case .needMore:
                break
            }
            switch connection.fill() {
            case .data:
                clientSpoke()
            case .wouldBlock where isServerDeclared(at: next):
                facts.serverSpeaksFirst = true
            case .wouldBlock:
                wait(for: next)
                askServer(at: next)
                return
            case .end:
                listener.stats.filterRemoteClose.increment()
                refuse("")
                return
            case .failed:
                // `connectionClosed` follows.
                state = .filtering(next)
                return
            }
        }
        handOnOrChoose()
    }

    private func wait(for filter: Int) {
        if case .accepted = state { arm(listener.spec.listenerFiltersTimeout) }
        state = .filtering(filter)
    }

    // MARK: Servers that speak first

    /// The client has said nothing yet, and is only waited for to see what it speaks.
    private func isSilent(at filter: Int) -> Bool {
        connection.input.isEmpty && listener.filters[filter].detectsProtocol && listener.serverFirst != nil
    }

    private func isServerDeclared(at filter: Int) -> Bool {
        isSilent(at: filter) && listener.serverFirst?.isDeclared(facts.local) == true
    }

    /// Connects to the server that a client without a word would get, at once or when the client has had its time. Only
    /// where the filters that are left can change nothing about where the client belongs.
    private func askServer(at filter: Int) {
        guard headStart == nil, patienceTimer == nil, isSilent(at: filter), let known = listener.serverFirst,
            known.asksServers, listener.filters[filter...].allSatisfy(\.detectsProtocol), listenerToHandOnTo == nil
        else { return }
        let patience = known.patience(for: facts.local, now: listener.loop.now)
        guard patience > .zero else { return openHeadStart() }
        let timer = LoopTimer(loop: listener.loop, target: self)
        timer.arm(after: patience)
        patienceTimer = timer
    }

    private func openHeadStart() {
        guard case .filtering = state, connection.input.isEmpty, headStart == nil, !connection.hasUnreadInput,
            let chain = listener.chain(for: facts), let proxy = chain.plainProxy,
            chain.gate?.wouldPass(downstream()) ?? true
        else { return }
        headStart = TCPHeadStart(proxy, downstream()) { [weak self] in self?.serverSpoke() }
        if headStart != nil { listener.serverFirst?.opened.increment() }
    }

    private func serverSpoke() {
        guard case .filtering(let next) = state else { return }
        listener.serverFirst?.learn(facts.local, clientSpoke: false, now: listener.loop.now)
        facts.serverSpeaksFirst = true
        runFilters(from: next)
    }

    private func clientSpoke() {
        patienceTimer?.disarm()
        if headStart != nil {
            listener.serverFirst?.learn(facts.local, clientSpoke: true, now: listener.loop.now)
        }
    }

    // MARK: Choosing

    private var listenerToHandOnTo: Listener? {
        guard !wasHandedOn, facts.originalDestination != nil, let other = listener.table?.listener(at: facts.local),
            other !== listener
        else { return nil }
        return other
    }

    /// A redirected connection belongs to the listener of its original destination, where there is one.
    private func handOnOrChoose() {
        guard let other = listenerToHandOnTo else { return choose() }
        wasHandedOn = true
        timer?.disarm()
        listener.release(self)
        state = .accepted
        guard other.adopt(self) else {
            state = .done
            connection.close(abort: true)
            return
        }
        listener = other
        runFilters(from: 0)
    }

    private func choose() {
        guard let chain = listener.chain(for: facts) else {
            listener.stats.noFilterChain.increment()
            refuse("no filter chain matches it, and there is no default_filter_chain", flags: .noRouteFound)
            return
        }
        listener.connectionBegins()
        limit(chain, from: 0)
    }

    /// Asks the chain's rate limits from one of them on, before there is any work with TLS.
    private func limit(_ chain: FilterChain, from first: Int) {
        switch chain.gate?.limit(from: first, downstream, owner: self) ?? .passed {
        case .passed: secure(chain)
        case .refused(let refusal): turnAway(chain, downstream(), refusal)
        case .asked(let question, let next):
            state = .asking(chain, question, next: next)
            arm(nil)
            connection.pauseReading()
        }
    }

    private func secure(_ chain: FilterChain) {
        guard let context = chain.tls else {
            serve(chain)
            return
        }
        dropHeadStart()
        state = .handshaking(chain)
        armHandshake(chain)
        connection.upgradeToTLS(context)
    }

    private func armHandshake(_ chain: FilterChain) {
        handshakeBegan = listener.loop.now
        guard let limit = chain.handshakeTimeout, let overload = listener.overload else {
            return arm(chain.handshakeTimeout)
        }
        arm(overload.reduced(.handshake, limit))
    }

    /// The overload manager has other timeouts now.
    func followTimeouts(_ overload: OverloadGate) {
        guard case .handshaking(let chain) = state, let limit = chain.handshakeTimeout else { return }
        timer?.arm(at: handshakeBegan + overload.reduced(.handshake, limit))
    }

    private func serve(_ chain: FilterChain) {
        let downstream = downstream()
        if let gate = chain.gate, let (refusal, delay) = gate.judge(downstream) {
            return turnAway(chain, downstream, refusal, after: delay)
        }
        finish()
        downstream.chain = chain.facts
        let headStart = self.headStart
        self.headStart = nil
        if let headStart, headStart.isAlive, headStart.proxy === chain.plainProxy {
            listener.serverFirst?.used.increment()
        }
        listener.serve(connection, downstream, chain, headStart)
    }

    /// The chain's gate does not let the connection in.
    private func turnAway(
        _ chain: FilterChain, _ downstream: DownstreamInfo, _ refusal: ConnectionRefusal, after delay: TimeAmount? = nil
    ) {
        finish()
        dropHeadStart()
        downstream.chain = chain.facts
        listener.turnAway(connection, downstream, chain, refusal, after: delay)
    }

    private func dropHeadStart() {
        headStart?.abandon()
        headStart = nil
    }

    private func downstream() -> DownstreamInfo {
        let downstream = DownstreamInfo(
            connectionID: connection.id, local: facts.directLocal, remote: facts.directRemote,
            accepted: connection.createdAt)
        downstream.localAddress = facts.local
        downstream.remoteAddress = facts.remote
        downstream.originalDestination = facts.originalDestination
        downstream.transparentSource = facts.transparentSource
        downstream.metadata = facts.metadata
        if let tls = connection.tls {
            downstream.tls = tls
            // As a listener filter that looks at the ClientHello tells it. Few clients write capitals.
            let name = tls.serverName
            let hasCapitals = name.utf8.contains { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") }
            downstream.requestedServerName = hasCapitals ? name.lowercased() : name
            downstream.handshakeDone = connection.establishedAt
        } else {
            downstream.requestedServerName = facts.serverName
        }
        return downstream
    }

    // MARK: The end

    /// Closes a connection that has no chain. An empty reason is not worth a line of the log.
    private func refuse(_ reason: String, flags: ResponseFlags = []) {
        finish()
        dropHeadStart()
        listener.notLetIn(connection, downstream(), flags: flags, reason: reason)
        connection.close()
    }

    /// Closes the connection without having served it.
    func giveUp() {
        guard chain != nil else { return refuse("") }
        finish()
        connection.close()
        listener.connectionGone(connection.createdAt)
    }

    private func finish() {
        if case .asking(_, let question, _) = state { question.cancel() }
        state = .done
        timer?.disarm()
        patienceTimer?.disarm()
        listener.forget(self)
    }

    /// nil: no limit, and an earlier one is off.
    private func arm(_ limit: TimeAmount?) {
        guard let limit else {
            timer?.disarm()
            return
        }
        if timer == nil { timer = LoopTimer(loop: listener.loop, target: self) }
        timer?.arm(after: limit)
    }
}

extension PendingConnection: ConnectionQuestionOwner {
    func answered(_ question: ConnectionQuestion, _ verdict: ConnectionVerdict) {
        guard case .asking(let chain, _, let next) = state else { return }
        for note in verdict.notes {
            facts.metadata.note(note.namespace, note.key, note.value, isText: note.isText)
        }
        connection.resumeReading()
        guard let refusal = verdict.refusal else { return limit(chain, from: next) }
        turnAway(chain, downstream(), refusal)
    }
}
