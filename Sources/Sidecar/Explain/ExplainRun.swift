// `outrider explain`: asks a running process what became of a request.
import Glibc
import HTTPWire
import Reactor

/// What `outrider explain` was asked for.
public struct ExplainOptions: Sendable {
    /// An `x-request-id`, or the number of a connection; nil: the latest.
    public var id: String?
    /// How many at most; nil: as many as the admin port gives.
    public var last: Int?
    /// Also what went well, where no id is given.
    public var all = false
    public var json = false
    public var admin: ProbeTarget

    public init(admin: ProbeTarget) { self.admin = admin }

    /// Path and query of the question.
    var target: String {
        var parameters: [String] = []
        if var id {
            let bytes = id.withUTF8 { PercentCoding.encoded(ByteView(UnsafeRawBufferPointer($0))) }
            parameters.append("id=" + String(decoding: bytes, as: UTF8.self))
        }
        if let last { parameters.append("last=\(last)") }
        if id == nil && !all { parameters.append("failed") }
        if json { parameters.append("format=json") }
        return "/explain" + (parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&"))
    }
}

/// Asks, and prints what is answered.
public enum ExplainRun {
    /// Returns the exit code: 0 when there was something to tell, 1 when not.
    public static func main(_ options: ExplainOptions) -> Int32 {
        do throws(SystemError) {
            let loop = try EventLoop()
            let resolver = try DNSResolver(loop: loop)
            var code: Int32 = 1
            var isOver = false
            let query = AdminQuery(
                options.admin, path: options.target, loop: loop, resolver: resolver, limit: .seconds(10)
            ) { result in
                isOver = true
                code = tell(result, options)
                resolver.close()
                loop.stop()
            }
            withExtendedLifetime(query) { if !isOver { loop.run() } }
            return code
        } catch {
            say("\(error)")
            return 1
        }
    }

    private static func tell(
        _ result: Result<(status: Int, body: [UInt8]), AdminQuery.Failure>, _ options: ExplainOptions
    ) -> Int32 {
        switch result {
        case .failure(let failure):
            say("\(options.admin): \(failure); is it the admin port? (--admin HOST:PORT, or the path of a Unix socket)")
            return 1
        case .success((200, let body)):
            print(String(decoding: body, as: UTF8.self), terminator: "")
            return 0
        case .success((let status, let body)):
            let text = String(decoding: body.prefix(2000), as: UTF8.self)
            say("\(options.admin) answered \(status): " + text.prefix { !$0.isNewline })
            return 1
        }
    }

    private static func say(_ text: String) {
        var line = "outrider explain: \(text)\n"
        line.withUTF8 { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }
}
