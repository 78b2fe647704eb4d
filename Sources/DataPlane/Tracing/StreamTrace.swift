// The trace of one request: the decision, the ids, and what the next hop is told of them.
import HTTPWire
import Reactor

/// One a stream, used again for each of its requests; streams of a connection manager without `tracing` have none.
/// Loop thread only.
///
/// A request that is not sampled has ids, too: the next hop is to know that somebody has decided. What spans say is
/// taken from the stream when they end (`StreamTrace+Spans.swift`), so that a request only carries its ids.
final class StreamTrace {
    let rules: TracingRules
    @exclusivity(unchecked) private var reason = TraceReason.notTraceable
    /// There are ids. Requests whose headers make no sense have none, and are passed on as they came.
    @exclusivity(unchecked) private(set) var hasSpan = false
    @exclusivity(unchecked) private(set) var context = SpanContext()
    @exclusivity(unchecked) private(set) var route: RouteTracing?
    /// The sender's span goes on here (Zipkin).
    @exclusivity(unchecked) private(set) var isShared = false
    @exclusivity(unchecked) private var hasSingleB3 = false
    /// The route's decoration is to be told to the client.
    @exclusivity(unchecked) private var decoratesResponse = false
    /// What the other side calls the operation; empty: nothing.
    @exclusivity(unchecked) private(set) var operation = ByteArena()
    @exclusivity(unchecked) private(set) var traceState = ByteArena()
    @exclusivity(unchecked) private var scratch = ByteArena()

    /// The try that is under way, where tries have spans of their own.
    @exclusivity(unchecked) var attempt: TraceAttempt?

    init(_ rules: TracingRules) { self.rules = rules }

    /// Forgets the request.
    func forget() {
        reason = .notTraceable
        hasSpan = false
        route = nil
        isShared = false
        hasSingleB3 = false
        decoratesResponse = false
        operation.removeAll()
        traceState.removeAll()
        attempt = nil
    }

    /// A span of ours is a client's where the listener is the app's way out and tries have none of their own.
    var kind: SpanRecord.Kind {
        rules.isEgress && !rules.spawnsUpstreamSpans && !rules.tracer.splitsSpans ? .client : .server
    }

    // MARK: - The request

    /// Decides, and takes up the trace of the request or begins one. Called when the route is known, and before
    /// filters see the request.
    func begin(_ request: HeaderMap, _ route: RouteTracing?, _ random: inout FastRandom) {
        self.route = route
        let sampling = route?.sampling ?? rules.sampling
        reason = sampling.decide(request, roll: random.next())
        switch rules.tracer.propagation {
        case .w3c: takeUpW3C(request, isTraced: reason != .notTraceable, &random)
        case .b3(let alsoW3C): takeUpB3(request, isTraced: reason != .notTraceable, alsoW3C: alsoW3C, &random)
        }
        if hasSpan, nameFormat == nil { decorate(request) }
    }

    /// The request goes on somewhere else: with a span of its own, below the last one.
    func goOn(_ request: HeaderMap, _ route: RouteTracing?, _ random: inout FastRandom) {
        self.route = route
        isShared = false
        decoratesResponse = false
        operation.removeAll()
        guard hasSpan else { return }
        context.parent = context.span
        context.span = random.nextID()
        if nameFormat == nil { decorate(request) }
    }

    /// The request is a health check: nobody is told of it, whatever was decided.
    func dropSpan() { context.isSampled = false }

    /// A response head goes to the client: that is when Envoy counts.
    func count() { rules.stats.count(reason) }

    /// Tells the next hop, for each try anew.
    func inject(_ request: HeaderMap) {
        guard hasSpan else { return }
        var outgoing = context
        if let attempt {
            outgoing.parent = context.span
            outgoing.span = attempt.span
        }
        write(outgoing, to: request)
    }

    /// The span of a copy of the request, and the copy's head to tell of it; nil: the request has no span.
    ///
    /// - Parameter isSampled: nil: as the request is.
    func beginMirror(
        _ head: HeaderMap, isSampled: Bool?, now: MonotonicTime, wallNow: WallTime, _ random: inout FastRandom
    ) -> MirrorSpan? {
        guard hasSpan else { return nil }
        var own = context
        own.parent = context.span
        own.span = random.nextID()
        own.isSampled = isSampled ?? context.isSampled
        write(own, to: head)
        return MirrorSpan(rules: rules, context: own, start: now, startWall: wallNow)
    }

    private func write(_ outgoing: SpanContext, to request: HeaderMap) {
        switch rules.tracer.propagation {
        case .w3c:
            W3CPropagation.write(outgoing, to: request, &scratch)
            if traceState.count > 0 {
                request.set(.tracestate, traceState.view)
            } else {
                request.remove(.tracestate)
            }
        case .b3(let alsoW3C):
            B3Propagation.write(outgoing, to: request, isSingle: hasSingleB3, &scratch)
            if alsoW3C { W3CPropagation.write(outgoing, to: request, &scratch) }
        }
    }

    private func takeUpW3C(_ request: HeaderMap, isTraced: Bool, _ random: inout FastRandom) {
        switch W3CPropagation.read(request) {
        case .malformed:
            return
        case .nothing:
            startTrace(isSampled: isTraced, longIDs: true, &random)
        case .context(let sender):
            continueTrace(sender, isSampled: isTraced && sender.isSampled, &random)
            // Several lines are one list (RFC 9110, section 5.3).
            request.forEachValue(of: .tracestate) { value in
                if traceState.count > 0 { traceState.append(byte: UInt8(ascii: ",")) }
                traceState.append(value)
            }
        }
    }

    private func takeUpB3(_ request: HeaderMap, isTraced: Bool, alsoW3C: Bool, _ random: inout FastRandom) {
        hasSingleB3 = request.contains(.b3)
        switch B3Propagation.read(request) {
        case .malformed:
            return
        case .context(let sender, let isSampled):
            takeUp(sender, isSampled: isSampled ?? isTraced, &random)
        case .nothing(let isSampled):
            if alsoW3C, isSampled == nil, !hasSingleB3 {
                switch W3CPropagation.read(request) {
                case .malformed: return
                case .context(let sender): return takeUp(sender, isSampled: sender.isSampled, &random)
                case .nothing: break
                }
            }
            startTrace(isSampled: isSampled ?? isTraced, longIDs: rules.tracer.has128BitIDs, &random)
            isShared = kind == .server && rules.tracer.sharesSpans
        }
    }

    /// Zipkin's: a server may go on with the client's span.
    private func takeUp(_ sender: SpanContext, isSampled: Bool, _ random: inout FastRandom) {
        isShared = kind == .server && rules.tracer.sharesSpans
        if isShared {
            context = sender
            context.isSampled = isSampled
            hasSpan = true
        } else {
            continueTrace(sender, isSampled: isSampled, &random)
        }
    }

    private func startTrace(isSampled: Bool, longIDs: Bool, _ random: inout FastRandom) {
        context = SpanContext(isSampled: isSampled)
        if longIDs { context.traceHigh = random.nextID() }
        switch rules.tracer.propagation {
        case .w3c:
            context.traceLow = random.nextID()
            context.span = random.nextID()
        case .b3:
            // The first span has the id of its trace.
            context.traceLow = random.nextID()
            context.span = context.traceLow
        }
        hasSpan = true
    }

    private func continueTrace(_ sender: SpanContext, isSampled: Bool, _ random: inout FastRandom) {
        context = sender
        context.parent = sender.span
        context.span = random.nextID()
        context.isSampled = isSampled
        hasSpan = true
    }

    // MARK: - Names that the two sides tell each other

    var nameFormat: Formatter? { route?.operation ?? rules.operation }
    var attemptNameFormat: Formatter? { route?.upstreamOperation ?? rules.upstreamOperation }

    /// Outward the server is told the route's decoration, inward the client's word counts.
    private func decorate(_ request: HeaderMap) {
        let decoration = route?.decoration.flatMap { $0.count > 0 ? $0 : nil }
        let isTold = decoration != nil && route?.propagatesDecoration == true
        if let decoration { operation.append(decoration.view) }
        if rules.isEgress {
            if isTold, let decoration { request.set(.xEnvoyDecoratorOperation, decoration.view) }
        } else if let value = request.value(.xEnvoyDecoratorOperation) {
            if !value.isEmpty {
                operation.removeAll()
                operation.append(value)
            }
            request.remove(.xEnvoyDecoratorOperation)
        } else {
            decoratesResponse = isTold
        }
    }

    /// The response goes to the client: inward it is told the operation, outward the server's word counts and goes no
    /// further.
    func decorateResponse(_ response: HeaderMap) {
        guard hasSpan, nameFormat == nil else { return }
        if !rules.isEgress {
            if decoratesResponse, let name = route?.decoration { response.set(.xEnvoyDecoratorOperation, name.view) }
        } else if let value = response.value(.xEnvoyDecoratorOperation) {
            if !value.isEmpty {
                operation.removeAll()
                operation.append(value)
            }
            response.remove(.xEnvoyDecoratorOperation)
        }
    }
}

extension StreamTrace {
    /// `%TRACE_ID%`; false where there is none.
    func appendTraceID(to sink: inout ByteArena) -> Bool {
        if hasSpan { sink.append(traceOf: context, isShort: rules.tracer.hasShortIDs) }
        return hasSpan
    }

    /// `%SPAN_ID%`: the request's own.
    func appendSpanID(to sink: inout ByteArena) -> Bool {
        if hasSpan { sink.append(hex: context.span) }
        return hasSpan
    }
}

/// A try with a span of its own.
struct TraceAttempt {
    var span: UInt64
    var start: MonotonicTime
    /// Tries before this one.
    var earlier: Int
}

extension FastRandom {
    /// An id: never 0, which stands for none.
    mutating func nextID() -> UInt64 {
        let value = next()
        return value == 0 ? 1 : value
    }
}
