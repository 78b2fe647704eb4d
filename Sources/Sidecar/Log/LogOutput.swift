// swift-log's backend: one line a message, in the chosen pattern, to stderr or a file.
import Glibc
import Logging
import Synchronization

/// Where lines go. Thread-safe; `reopen` follows a rotated file.
public final class LogOutput: Sendable {
    private let path: String?
    private let descriptor: Mutex<Int32>
    private let format: LogFormat

    /// - Parameter path: nil for stderr. Throws the text of the errno when the file cannot be opened.
    public init(path: String?, format: LogFormat) throws(LogOpenError) {
        self.path = path
        self.format = format
        descriptor = Mutex(try Self.openLog(path))
    }

    /// Opens the file again under its name; keeps the old one when that fails.
    public func reopen() {
        guard let path, let fresh = try? Self.openLog(path) else { return }
        descriptor.withLock { current in
            close(current)
            current = fresh
        }
    }

    func write(_ record: LogFormat.Record) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var line = format.render(record, at: now)
        line += "\n"
        descriptor.withLock { target in
            // A log that cannot be written must not stop the proxy: what does not go is lost.
            line.withUTF8 { bytes in _ = Glibc.write(target, bytes.baseAddress, bytes.count) }
        }
    }

    private static func openLog(_ path: String?) throws(LogOpenError) -> Int32 {
        guard let path else { return STDERR_FILENO }
        let opened = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard opened >= 0 else { throw LogOpenError(path: path, reason: String(cString: strerror(errno))) }
        return opened
    }
}

/// `--log-path` cannot be opened.
public struct LogOpenError: Error, CustomStringConvertible {
    let path: String
    let reason: String
    public var description: String { "--log-path \(path): \(reason)" }
}

/// What swift-log's `Logger` values write through.
struct ComponentLogHandler: LogHandler {
    let component: LogComponent
    let output: LogOutput
    var metadata: Logger.Metadata = [:]
    /// swift-log asks before it builds a message; the component decides in `log`.
    var logLevel: Logger.Level {
        get {
            switch component.rank.load(ordering: .relaxed) {
            case 0: .trace
            case 1: .debug
            case 2: .info
            case 3: .warning
            case 4: .error
            default: .critical
            }
        }
        set { component.rank.store(LogLevelName.rank(of: newValue), ordering: .relaxed) }
    }

    init(component: LogComponent, output: LogOutput) {
        self.component = component
        self.output = output
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let rank = LogLevelName.rank(of: event.level)
        guard rank >= component.rank.load(ordering: .relaxed) else { return }
        var text = event.message.description
        let fields = metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 })
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) { text += " \(key)=\(value)" }
        output.write(
            LogFormat.Record(
                level: LogLevelName.all[rank], component: component.name, message: text, file: event.file,
                line: event.line, function: event.function))
    }
}
