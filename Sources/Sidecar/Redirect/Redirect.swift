// `outrider redirect`: sets, shows, verifies and undoes the rules.
import Glibc
import Reactor

/// What the command line asks for.
public struct RedirectOptions: Sendable {
    public enum Action: Sendable {
        case apply
        /// Prints what `apply` would run, from nothing; needs no capability.
        case show
        /// Compares what is set with the wish; changes nothing.
        case check
        /// Removes all that is ours.
        case undo
    }

    public var action = Action.apply
    public var backend = RedirectBackend.auto
    public var rules = RedirectRules()

    public init() {}
}

/// Sets the rules by the system's tools. Main thread; blocks until they are done.
public struct Redirect {
    let options: RedirectOptions
    var tools: any ToolRunner = SystemTools()
    var capabilities = Capabilities.ofThisProcess()
    var ipv6 = IPv6State.ofThisNamespace

    public init(_ options: RedirectOptions) { self.options = options }

    /// Does it; returns the lines to print, and whether all is well: after a `check`, that all is as wanted.
    public func run() throws -> (lines: [String], isWell: Bool) {
        if options.action == .undo { return (try undo(), true) }
        try options.rules.check()
        switch options.action {
        case .show: return (show(), true)
        case .check: return try check()
        default: return (try apply(), true)
        }
    }

    // MARK: The four actions

    private func apply() throws(RedirectFailure) -> [String] {
        // A signal between two tools would leave half of it.
        SignalSource.block([SIGTERM, SIGINT, SIGHUP])
        let (backend, parts) = try choose()
        try perform(parts)
        return ["\(backend.rawValue): \(options.rules)"]
    }

    private func show() -> [String] {
        let backend = options.backend == .auto ? firstFound : options.backend
        return RedirectReader.blank(backend, rules: options.rules).flatMap { part in
            ["# \(part.command)", part.change]
        }
    }

    private func check() throws(RedirectFailure) -> ([String], Bool) {
        let (backend, parts) = try choose()
        var lines: [String] = []
        for part in parts {
            let (missing, surplus) = part.difference
            lines += missing.map { "\(part.tool): missing: \($0)" } + surplus.map { "\(part.tool): not wanted: \($0)" }
        }
        let isWell = lines.isEmpty
        if isWell { lines = ["\(backend.rawValue): as wanted: \(options.rules)"] }
        return (lines, isWell)
    }

    private func undo() throws(RedirectFailure) -> [String] {
        SignalSource.block([SIGTERM, SIGINT, SIGHUP])
        var lines: [String] = []
        var usable = false
        var obstacles: [String] = []
        for backend in candidates {
            let found: [RedirectPart]
            do throws(RedirectFailure) {
                found = try parts(backend, rules: nil).filter { !$0.current.isEmpty }
            } catch {
                obstacles.append("\(backend.rawValue): \(error)")
                // What a tool has set that is not there any more, nobody can undo.
                if tools.find(backend.tool) != nil { lines.append("\(backend.rawValue): not looked at: \(error)") }
                continue
            }
            usable = true
            try perform(found)
            if !found.isEmpty { lines.append("\(backend.rawValue): undone") }
        }
        guard usable else { throw RedirectFailure(obstacles.joined(separator: "\n")) }
        return lines.isEmpty ? ["nothing to undo"] : lines
    }

    // MARK: How

    /// The backends to try, best first.
    private var candidates: [RedirectBackend] {
        options.backend == .auto ? RedirectBackend.real : [options.backend]
    }

    private var firstFound: RedirectBackend {
        candidates.first { tools.find($0.tool) != nil } ?? .nft
    }

    /// The backend that works, and its parts. With `auto` a check prefers the backend that has something of ours.
    private func choose() throws(RedirectFailure) -> (RedirectBackend, [RedirectPart]) {
        var first: (RedirectBackend, [RedirectPart])?
        var obstacles: [String] = []
        for backend in candidates {
            do throws(RedirectFailure) {
                let parts = try parts(backend, rules: options.rules)
                if options.action != .check || parts.contains(where: { !$0.current.isEmpty }) {
                    return (backend, parts)
                }
                first = first ?? (backend, parts)
            } catch {
                obstacles.append("\(backend.rawValue): \(error)")
            }
        }
        guard let first else { throw RedirectFailure(obstacles.joined(separator: "\n")) }
        return first
    }

    private func parts(_ backend: RedirectBackend, rules: RedirectRules?) throws(RedirectFailure) -> [RedirectPart] {
        let missing = backend.capabilities.filter { !capabilities.has($0) }
        guard missing.isEmpty else {
            let names = missing.map(\.description)
            throw RedirectFailure(
                "\(names.joined(separator: " and ")) \(names.count == 1 ? "is" : "are") missing. The rules of a network "
                    + "namespace are for its root: in Kubernetes give the init container runAsUser: 0 and "
                    + "capabilities: {add: [\(names.map { $0.dropFirst(4) }.joined(separator: ", "))]}; with docker "
                    + "--cap-add")
        }
        return try RedirectReader(tools: tools, machine: ipv6).parts(backend, rules: rules)
    }

    /// Runs the parts one after the other. Each does all of its change or nothing; when one fails, what was done before
    /// it is taken back.
    private func perform(_ parts: [RedirectPart]) throws(RedirectFailure) {
        var done: [RedirectPart] = []
        for part in parts where part.current != part.wanted {
            do throws(RedirectFailure) {
                _ = try tools.output(part.tool, part.arguments, input: part.change)
                done.append(part)
            } catch {
                var text = error.description
                for part in done.reversed() {
                    do throws(RedirectFailure) {
                        _ = try tools.output(part.tool, part.arguments, input: part.revert)
                    } catch {
                        text += "\nand what was done before could not be taken back: \(error)"
                    }
                }
                throw RedirectFailure(text)
            }
        }
    }
}
