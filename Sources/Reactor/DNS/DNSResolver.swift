// Names to addresses, asynchronously, by c-ares.
import Glibc

/// What two questions have to share for one lookup to answer both.
struct DNSLookupKey: Hashable {
    let name: String
    let family: DNSLookupFamily
}

/// One lookup and everybody who waits for it.
final class DNSLookup {
    let key: DNSLookupKey
    let channel: CaresChannel
    fileprivate var waiting: [DNSQuery] = []
    private let ended: (DNSLookup, Result<[DNSAnswer], DNSFailure>?) -> Void

    fileprivate init(
        key: DNSLookupKey, channel: CaresChannel, ended: @escaping (DNSLookup, Result<[DNSAnswer], DNSFailure>?) -> Void
    ) {
        self.key = key
        self.channel = channel
        self.ended = ended
    }

    /// Called once by the channel; nil when the lookup was given up.
    func finish(_ result: Result<[DNSAnswer], DNSFailure>?) {
        ended(self, result)
    }
}

/// A question that was asked of a resolver.
public final class DNSQuery {
    fileprivate var completion: ((Result<[DNSAnswer], DNSFailure>) -> Void)?

    fileprivate init(_ completion: @escaping (Result<[DNSAnswer], DNSFailure>) -> Void) {
        self.completion = completion
    }

    /// The completion will not be called.
    public func cancel() { completion = nil }
}

/// Resolves names on a loop. Used on the loop's thread only; usually there is one, on the main thread.
///
/// A and AAAA are asked in parallel, and equal questions that are under way share one lookup. After a failure that a
/// change of /etc/resolv.conf may have caused, the next question reads that file anew and uses fresh sockets.
public final class DNSResolver {
    private let loop: EventLoop
    private let options: DNSOptions
    private var channel: CaresChannel
    private var isChannelStale = false
    private var lookups: [DNSLookupKey: DNSLookup] = [:]
    private var isClosed = false
    /// Lookups that were begun.
    public private(set) var lookupCount: UInt64 = 0

    /// Reads /etc/resolv.conf. Fails when memory is short or the library refuses the options.
    public init(loop: EventLoop, options: DNSOptions = DNSOptions()) throws(SystemError) {
        self.loop = loop
        self.options = options
        channel = try CaresChannel(loop: loop, options: options)
    }

    deinit { close() }

    /// Looks up the addresses of `name`. An address in place of a name answers for itself.
    ///
    /// `completion` is called once, at the end of a turn, never from inside this call; not after `cancel` or `close`.
    /// Success has at least one address.
    @discardableResult
    public func resolve(
        _ name: String, family: DNSLookupFamily, completion: @escaping (Result<[DNSAnswer], DNSFailure>) -> Void
    ) -> DNSQuery {
        let query = DNSQuery(completion)
        if isClosed { return query }
        if let literal = IPAddress(name) {
            let answer = DNSAnswer(address: literal, ttlSeconds: UInt32(Int32.max))
            loop.later { query.complete(.success([answer])) }
            return query
        }
        guard !name.isEmpty, name.utf8.count <= 255, !name.utf8.contains(0) else {
            loop.later { query.complete(.failure(.invalidName)) }
            return query
        }
        let key = DNSLookupKey(name: name.lowercased(), family: family)
        if let lookup = lookups[key] {
            lookup.waiting.append(query)
            return query
        }
        renewChannel()
        let lookup = DNSLookup(key: key, channel: channel) { [weak self] lookup, result in
            self?.end(lookup, result)
        }
        lookup.waiting = [query]
        lookups[key] = lookup
        lookupCount &+= 1
        channel.start(lookup)
        return query
    }

    /// Gives up everything that is under way. No completion is called after this.
    public func close() {
        isClosed = true
        var channels: [ObjectIdentifier: CaresChannel] = [ObjectIdentifier(channel): channel]
        for lookup in lookups.values {
            channels[ObjectIdentifier(lookup.channel)] = lookup.channel
            for query in lookup.waiting { query.cancel() }
        }
        lookups = [:]
        for channel in channels.values { channel.close() }
    }

    private func renewChannel() {
        guard isChannelStale, let fresh = try? CaresChannel(loop: loop, options: options) else { return }
        isChannelStale = false
        let old = channel
        channel = fresh
        // Lookups that are still under way keep the old one open until they end.
        if old.pendingCount == 0 { loop.later { old.close() } }
    }

    /// Called by c-ares: nothing may be called back or destroyed before the turn ends.
    private func end(_ lookup: DNSLookup, _ result: Result<[DNSAnswer], DNSFailure>?) {
        guard !isClosed, let result else { return }
        lookups[lookup.key] = nil
        if case .failure(let failure) = result, failure == .timedOut || failure == .unreachable {
            isChannelStale = true
        }
        let answer = lookup.key.family.select(result)
        loop.later { [weak self] in
            for query in lookup.waiting { query.complete(answer) }
            if let self, lookup.channel !== self.channel, lookup.channel.pendingCount == 0 { lookup.channel.close() }
        }
    }
}

extension DNSQuery {
    fileprivate func complete(_ result: Result<[DNSAnswer], DNSFailure>) {
        let waiting = completion
        completion = nil
        waiting?(result)
    }
}

extension DNSLookupFamily {
    /// What is asked of the servers.
    var queried: Int32 {
        switch self {
        case .v4Only: return AF_INET
        case .v6Only: return AF_INET6
        case .auto, .v4Preferred, .all: return AF_UNSPEC
        }
    }

    /// The addresses that the family wants, of all that were found.
    func select(_ result: Result<[DNSAnswer], DNSFailure>) -> Result<[DNSAnswer], DNSFailure> {
        guard case .success(let answers) = result else { return result }
        let v4 = answers.filter { if case .v4 = $0.address { true } else { false } }
        let v6 = answers.filter { if case .v6 = $0.address { true } else { false } }
        let selected: [DNSAnswer]
        switch self {
        case .auto: selected = v6.isEmpty ? v4 : v6
        case .v4Preferred: selected = v4.isEmpty ? v6 : v4
        case .v4Only: selected = v4
        case .v6Only: selected = v6
        case .all: selected = answers
        }
        return selected.isEmpty ? .failure(.noData) : .success(selected)
    }
}
