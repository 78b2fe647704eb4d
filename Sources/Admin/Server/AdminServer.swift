// The admin port: a listener of its own on the main thread, served by an HTTP connection manager.
import DataPlane
import HTTPWire
import Metrics
import Reactor

/// Why there is no admin port.
public enum AdminServerError: Error, CustomStringConvertible {
    case socket(SystemError)
    case accessLog(AccessLogError)

    public var description: String {
        switch self {
        case .socket(let error): error.description
        case .accessLog(let error): error.description
        }
    }
}

/// Serves the admin endpoints (Envoy page: "Administration interface"). Main thread only.
///
/// What the endpoints answer is in `ReadingEndpoints` and `ChangingEndpoints`; the port for stats alone is an
/// `AdminServer` with `access: .stats` and a name of its own.
public final class AdminServer {
    /// Connections at one time; one more is reset and counted as `downstream_cx_overflow`.
    static let maxConnections = 1000
    /// High watermark of a connection's output, bytes.
    static let bufferLimit = 256 << 10

    /// Where it listens, with the port that the system chose for port 0.
    public var address: SocketAddress { socket.localAddress }
    private let socket: ListeningSocket
    private let loop: EventLoop
    private let manager: HTTPConnectionManager
    private let codecSettings: HTTP1ServerSettings
    private let accessLogs: AccessLogBuffers
    private let stats: AdminListenerStats
    private let changes: AdminGuard
    /// nil: no limit over all listeners counts these connections.
    private let globalLimit: GlobalConnectionLimit?
    private let isExempt: Bool

    /// Binds the address, and serves from the next turn of the loop on.
    ///
    /// - Parameters:
    ///   - backend: outlives the server; held unowned.
    ///   - cells: the main thread's.
    ///   - access: which endpoints there are.
    ///   - name: stands in stats: `listener.<name>.`, `http.<name>.`.
    ///   - inherited: a listening descriptor of another process, in place of a socket of its own. Nothing is accepted
    ///     from it before `open`.
    ///   - globalLimit: over all listeners. As in Envoy only the runtime key's concerns this one.
    public init(
        _ spec: AdminSpec, loop: EventLoop, backend: any AdminBackend, cells: StatCells,
        accessLogs sinks: AccessLogSinks,
        access: AdminAccess = .full, name: String = "admin", inherited: Int32? = nil,
        globalLimit: GlobalConnectionLimit? = nil
    ) throws(AdminServerError) {
        self.loop = loop
        self.globalLimit = globalLimit?.spec.source == .runtimeKey ? globalLimit : nil
        isExempt = spec.ignoresGlobalLimit
        accessLogs = AccessLogBuffers(loop: loop, sinks: sinks, cells: cells)
        let loggers = try AdminServer.loggers(spec, accessLogs)
        let prefix = "listener." + name + "."
        stats = AdminListenerStats(cells, prefix: prefix)
        let settings = AdminServer.settings(name: name)
        let environment = HTTPEnvironment(
            loop: loop, cells: cells, listenerStatPrefix: prefix, accessLogs: loggers,
            bufferLimit: AdminServer.bufferLimit)
        let changes = AdminGuard(spec.changes, cells, prefix: "http.\(name).")
        self.changes = changes
        let desk = AdminDesk(
            backend: backend, loop: loop, access: access, allowedPaths: spec.allowPaths, changes: changes)
        let budget = AdminBudget()
        manager = HTTPConnectionManager(settings, environment) {
            AdminHandler($0, desk: desk, budget: budget, changes: changes)
        }
        codecSettings = HTTP1ServerSettings(
            settings, bufferLimit: AdminServer.bufferLimit, stats: HTTP1CodecStats(cells, prefix: "http1."))
        do throws(SystemError) {
            var options = spec.listen.listenOptions
            options.backlog = 128
            if let inherited {
                socket = try ListeningSocket.adopt(descriptor: inherited, loop: loop)
            } else {
                socket = try ListeningSocket.bind(spec.listen.address, loop: loop, options: options)
            }
            socket.usesReserve = true
            try socket.start { [unowned self] accepted in take(accepted) }
            if inherited != nil { socket.pause() }
        } catch {
            throw .socket(error)
        }
    }

    /// What another process can know the socket by that it inherits.
    public static func identity(_ spec: AdminSpec, name: String = "admin") -> SocketIdentity {
        SocketIdentity(name: name, address: spec.listen.address, options: spec.listen.listenOptions)
    }

    /// Accepts on an inherited socket, too.
    public func open() { socket.resume() }

    /// Another descriptor of the listening socket. The caller closes it.
    public func duplicateDescriptor() throws(SystemError) -> Int32 { try socket.duplicateDescriptor() }

    /// Connections that are open.
    public var connectionCount: Int { manager.connectionCount }

    /// Accepts no more; connections close with their next answer, and those that ask for none within `grace` close then.
    public func retire(grace: TimeAmount) {
        socket.close()
        manager.drainConnections(grace: grace)
    }

    /// Closes the port and its connections.
    public func close() {
        socket.close()
        manager.closeConnections()
        accessLogs.flush()
    }

    private func take(_ accepted: consuming AcceptedSocket) {
        if let globalLimit, !globalLimit.enter(isExempt: isExempt) {
            stats.globalOverflow.increment()
            return accepted.resetOnDrop()
        }
        guard manager.connectionCount < AdminServer.maxConnections else {
            globalLimit?.leave(isExempt: isExempt)
            stats.overflow.increment()
            return accepted.resetOnDrop()
        }
        guard let connection = try? Connection.accept(accepted, loop: loop) else {
            // Without memory for epoll the socket is closed already.
            globalLimit?.leave(isExempt: isExempt)
            return
        }
        stats.opened()
        changes.opened(connection)
        connection.onClose = { [stats, loop, changes, globalLimit, isExempt] in
            globalLimit?.leave(isExempt: isExempt)
            changes.closed($0)
            stats.closed(after: (loop.now - $0.createdAt).milliseconds)
        }
        let downstream = DownstreamInfo(
            connectionID: connection.id, local: connection.localAddress ?? address, remote: connection.remoteAddress,
            accepted: connection.createdAt)
        manager.serve(connection, downstream) { [codecSettings] connection, session in
            HTTP1ServerConnection(connection: connection, session: session, settings: codecSettings)
        }
    }

    private static func loggers(
        _ spec: AdminSpec, _ buffers: AccessLogBuffers
    ) throws(AdminServerError) -> [AccessLogger] {
        do throws(AccessLogError) {
            return try spec.accessLogs.map { log throws(AccessLogError) in try AccessLogger(log, buffers: buffers) }
        } catch {
            throw .accessLog(error)
        }
    }

    /// As Envoy's admin listener is set up; HTTP/1.0 is taken besides, because simple probes speak it.
    private static func settings(name: String) -> HTTPConnectionManagerSpec {
        var settings = HTTPConnectionManagerSpec(statPrefix: name, routes: RouteConfigurationSpec())
        settings.useRemoteAddress = true
        settings.generateRequestID = false
        settings.normalizePath = true
        settings.mergeSlashes = true
        settings.http1.acceptHTTP10 = true
        settings.http1.defaultHostForHTTP10 = name
        settings.requestHeadersTimeout = .seconds(15)
        return settings
    }
}
