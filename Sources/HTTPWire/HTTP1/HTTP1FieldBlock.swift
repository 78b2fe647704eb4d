// Reads lines up to the empty one: the start line and fields of a head, or the fields of a trailer section.
import Reactor

/// Which section is being read.
enum HTTP1Section {
    case request
    case response
    case trailers
}

/// Reads a head or a trailer section from a queue into a header table.
///
/// A head that lies in one piece is parsed where it lies and then copied into the table's arena at once. What comes in
/// parts is moved into the arena as it comes, so that a byte is copied once and looked at a bounded number of times
/// however it is cut. A line is judged when it is complete, by the same code in both cases, so that the outcome does
/// not depend on the cuts either.
struct HTTP1FieldBlock: ~Copyable {
    private(set) var section: HTTP1Section
    let limits: HTTP1Limits
    let options: HTTP1Options

    /// True until the first byte was seen: the table is emptied then.
    private(set) var isFresh = true
    private var startLineDone: Bool
    private var reachedEnd = false
    private var emptyLines: UInt8 = 0
    /// Offset in the arena of the line that is not complete yet.
    private var lineStart = 0
    /// Bytes of the section in the arena when the last read ended.
    private var taken = 0
    private var fieldLines: Int32 = 0
    /// Fields dropped because their names have underscores.
    private(set) var droppedFields: Int32 = 0
    /// What the start line said.
    private(set) var startLine = HTTP1StartLine()

    /// Empty lines that are skipped before a request line (RFC 9112, section 2.2).
    private static var maxEmptyLines: UInt8 { 8 }

    init(_ section: HTTP1Section, _ limits: HTTP1Limits, _ options: HTTP1Options) {
        self.section = section
        self.limits = limits
        self.options = options
        startLineDone = section == .trailers
    }

    /// Begins the next section.
    mutating func begin(_ section: HTTP1Section) {
        self.section = section
        isFresh = true
        startLineDone = section == .trailers
        lineStart = 0
        emptyLines = 0
        fieldLines = 0
        reachedEnd = false
        startLine = HTTP1StartLine()
        droppedFields = 0
    }

    enum Progress {
        case needMore
        case complete
        case failure(HTTP1Failure)
    }

    /// Reads on. The table holds all of the section's bytes once it is `complete`.
    mutating func read(_ queue: inout ByteQueue, _ table: inout HeaderTable) -> Progress {
        // Whoever looked at the fields so far may have left combined values behind them.
        if !isFresh && table.arena.count > taken { table.forgetNotes(behind: taken) }
        while true {
            let front = queue.front
            if front.isEmpty {
                taken = table.arena.count
                return .needMore
            }
            if isFresh {
                isFresh = false
                table.removeAll()
            }
            if table.arena.count > lineStart {
                // A line begun in the arena goes on there.
                guard let lineFeed = front.firstIndex(of: 0x0a) else {
                    if let failure = stash(front, &queue, &table) { return .failure(failure) }
                    continue
                }
                table.arena.append(front.prefix(lineFeed &+ 1))
                queue.consume(lineFeed &+ 1)
                let bytes = table.arena.view
                let stop = readLines(bytes, from: lineStart, base: 0, &table)
                guard stop == bytes.count else { return .failure(diagnose(bytes, at: stop, base: 0, table)) }
                lineStart = stop
            } else {
                let base = table.arena.count
                let stop = readLines(front, from: 0, base: base, &table)
                if reachedEnd {
                    table.arena.append(front.prefix(stop))
                    queue.consume(stop)
                    return .complete
                }
                if stop < front.count && (front.contains(0x0a, from: stop) || !canBegin(front, at: stop)) {
                    let failure = diagnose(front, at: stop, base: base, table)
                    keepTaken(front.prefix(stop), &table)
                    return .failure(failure)
                }
                lineStart = base &+ stop
                if let failure = stash(front, &queue, &table) {
                    keepTaken(front.prefix(stop), &table)
                    return .failure(failure)
                }
            }
            if reachedEnd { return .complete }
        }
    }

    /// Moves the first part of the queue, which has no line end in its last line, into the arena.
    private mutating func stash(
        _ front: ByteView, _ queue: inout ByteQueue, _ table: inout HeaderTable
    ) -> HTTP1Failure? {
        let fits = limits.maxHeaderBytes &- table.arena.count
        if front.count > fits { return tooLarge(table.arena.count &+ front.count, table) }
        table.arena.append(front)
        queue.consume(front.count)
        return nil
    }

    /// Leaves a table that can be read (the access log does) when a head is refused after some of its lines were taken
    /// where they lay: their bytes go where the entries point to.
    private func keepTaken(_ lines: ByteView, _ table: inout HeaderTable) {
        if startLineDone { table.arena.append(lines) } else { table.removeAll() }
    }

    /// Parses lines as long as they are complete and right; returns where it stopped.
    private mutating func readLines(
        _ view: ByteView, from: Int, base: Int, _ table: inout HeaderTable
    ) -> Int {
        var at = from
        if !startLineDone {
            while section == .request && emptyLines < HTTP1FieldBlock.maxEmptyLines
                && at &+ 1 < view.count && view[at] == 0x0d && view[at &+ 1] == 0x0a
            {
                emptyLines &+= 1
                at &+= 2
            }
            let next =
                section == .request
                ? startLine.readRequest(view, at, base, options, &table)
                : startLine.readStatus(view, at, base, &table)
            guard next > at && base &+ next <= limits.maxHeaderBytes else { return at }
            at = next
            startLineDone = true
        }
        return readFields(view, from: at, base: base, &table)
    }

    /// Parses field lines as long as they are complete and right; returns where it stopped.
    private mutating func readFields(_ view: ByteView, from: Int, base: Int, _ table: inout HeaderTable) -> Int {
        var at = from
        while true {
            guard let line = HTTP1FieldLine(view, at), base &+ line.next <= limits.maxHeaderBytes else { return at }
            if line.nameEnd == at {
                reachedEnd = true
                return line.next
            }
            guard Int(fieldLines) < limits.maxHeaderCount else { return at }
            let nameCount = line.nameEnd &- at
            guard nameCount <= Int(UInt16.max) else { return at }
            let (known, mark) = table.names.recognise(view, at, nameCount)
            if options.underscores != .allow && view.slice(at..<line.nameEnd).contains(0x5f) {
                if options.underscores == .rejectRequest { return at }
                droppedFields &+= 1
            } else if known == HeaderName.host.rawValue && section == .request {
                if table.authority.isPresent { return at }
                table.authority = Piece(base &+ line.valueStart, line.valueEnd &- line.valueStart)
                table.hostName = Piece(base &+ at, nameCount)
            } else if section != .trailers || HeaderTable.isAllowedInTrailers(known) {
                table.add(
                    HeaderEntry(
                        nameStart: UInt32(truncatingIfNeeded: base &+ at),
                        valueStart: UInt32(truncatingIfNeeded: base &+ line.valueStart),
                        valueCount: UInt32(truncatingIfNeeded: line.valueEnd &- line.valueStart),
                        nameCount: UInt16(truncatingIfNeeded: nameCount), known: known, mark: mark))
            }
            fieldLines &+= 1
            at = line.next
        }
    }

    /// False when no start line begins with what is at `at`: said at once, so that a TLS client on a plain-text port
    /// does not wait for an answer.
    private func canBegin(_ view: ByteView, at: Int) -> Bool {
        guard !startLineDone, at < view.count else { return true }
        if section == .response { return view[at] == 0x48 }
        return ByteClass.token.contains(view[at]) || (view[at] == 0x0d && emptyLines < HTTP1FieldBlock.maxEmptyLines)
    }

    // MARK: What went wrong

    /// The reason why the line at `at` was not taken. It is complete, or cannot be the begin of a start line.
    @inline(never)
    private func diagnose(
        _ view: ByteView, at: Int, base: Int, _ table: borrowing HeaderTable
    ) -> HTTP1Failure {
        guard canBegin(view, at: at) else { return startLine.cannotBegin(view, at, section) }
        let lineFeed = view.firstIndex(of: 0x0a, from: at) ?? view.count &- 1
        let line = view.slice(at..<(lineFeed &+ 1))
        if base &+ lineFeed &+ 1 > limits.maxHeaderBytes { return tooLarge(base &+ lineFeed &+ 1, table) }
        if !startLineDone { return startLine.diagnose(line, section, options) }
        if let failure = HTTP1FieldLine.diagnose(line, section) { return failure }
        if Int(fieldLines) >= limits.maxHeaderCount { return tooMany() }
        let name = line.prefix(line.firstIndex(of: 0x3a) ?? 0)
        if options.underscores == .rejectRequest && name.contains(0x5f) {
            return HTTP1Failure(
                .underscoreInName,
                "field name \(HTTP1Failure.quote(name)) has an underscore, and headers_with_underscores_action is "
                    + "REJECT_REQUEST")
        }
        if section == .request && name.equalsIgnoringCase("host") {
            return HTTP1Failure(.duplicateHost, "request has more than one Host field")
        }
        return HTTP1Failure(.malformedField, "field name of \(name.count) bytes is too long")
    }

    private var what: String {
        switch section {
        case .request: "request headers"
        case .response: "response headers"
        case .trailers: "trailers"
        }
    }

    @inline(never)
    private func tooLarge(_ seen: Int, _ table: borrowing HeaderTable) -> HTTP1Failure {
        let limit = limits.maxHeaderBytes
        let shown = limit % 1024 == 0 ? "\(limit / 1024) KiB (\(limit) bytes)" : "\(limit) bytes"
        var largest = ""
        var most = 0
        for index in 0..<table.entries.count {
            let entry = table.entries[index]
            guard entry.isLive && Int(entry.valueCount) > most else { continue }
            // Entries of lines that were parsed in place are not in the arena yet.
            guard Int(entry.valueStart) &+ Int(entry.valueCount) <= table.arena.count else { continue }
            most = Int(entry.valueCount)
            largest = "; the largest complete field is \(HTTP1Failure.quote(table.name(entry))) with \(most) bytes"
        }
        if table.arena.count > lineStart, !isFresh, startLineDone {
            let partial = table.arena.view(lineStart, table.arena.count &- lineStart)
            if let colon = partial.firstIndex(of: 0x3a), partial.count > most {
                largest = "; the largest field is \(HTTP1Failure.quote(partial.prefix(colon)))"
            }
        }
        return HTTP1Failure(
            section == .trailers ? .trailersTooLarge : .headersTooLarge,
            "\(what) of at least \(seen) bytes exceed \(limits.bytesSetting) \(shown)\(largest)")
    }

    @inline(never)
    private func tooMany() -> HTTP1Failure {
        let what = String(what.dropLast())
        return HTTP1Failure(
            section == .trailers ? .tooManyTrailers : .tooManyHeaders,
            "\(what) count \(fieldLines + 1) exceeds \(limits.countSetting) \(limits.maxHeaderCount)")
    }
}

extension ByteView {
    fileprivate func contains(_ byte: UInt8, from: Int) -> Bool { firstIndex(of: byte, from: from) != nil }
}
