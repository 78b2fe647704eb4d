// An admin request between its HTTP stream and the desk: gathers the body, sends the answer as fast as it is read.
import DataPlane
import HTTPWire
import Metrics
import Reactor

/// Serves one admin stream at a time. Main thread only.
final class AdminHandler: StreamHandler {
    /// Bytes of a request body that are taken.
    static let maxBody = 64 << 10
    /// Bytes handed to the connection at once.
    static let piece = 64 << 10
    /// Bytes of an answer from which on it is compressed for whom takes that.
    static let compressedFrom = 1024

    private unowned let stream: HTTPStream
    private let desk: AdminDesk
    private let budget: AdminBudget
    private let changes: AdminGuard
    private var isForm = false
    private var bodySize = 0
    private var form: [UInt8] = []
    /// What the connection has not got yet.
    private var source = AnswerSource.none
    private var compressor: GzipStream?
    /// Bytes that the answer takes of the budget.
    private var held = 0
    private var isWaitingForTurn = false

    init(_ stream: HTTPStream, desk: AdminDesk, budget: AdminBudget, changes: AdminGuard) {
        self.changes = changes
        self.stream = stream
        self.desk = desk
        self.budget = budget
    }

    // MARK: The request

    func requestHead(end: Bool) {
        let type = stream.requestHeaders.value(.contentType)?.string ?? ""
        isForm = type.lowercased().hasPrefix("application/x-www-form-urlencoded")
        if end { respond() }
    }

    func requestBody(_ bytes: inout ByteQueue, end: Bool) {
        bodySize += bytes.count
        if bodySize > AdminHandler.maxBody {
            bytes.clear()
            let limit = AdminHandler.maxBody
            return send(AdminAnswer("the request body is longer than \(limit) bytes", status: 413))
        }
        if isForm { form += bytes.array }
        bytes.clear()
        if end { respond() }
    }

    func requestTrailers() { respond() }

    private func respond() {
        let headers = stream.requestHeaders
        guard headers.methodKind != .connect else {
            return send(AdminAnswer("the admin port opens no tunnels", status: 404))
        }
        guard !budget.isSpent else { return send(budget.refusal) }
        let user = stream.info.downstream.flatMap { changes.user(of: $0.connectionID) }
        send(
            desk.answer(
                AdminRequest(
                    method: headers.method.string, target: headers.path.string, form: form, token: token, user: user)))
    }

    private var token: String? {
        guard let value = stream.requestHeaders.value(.authorization)?.string else { return nil }
        let parts = value.split(separator: " ", maxSplits: 1)
        return parts.count == 2 && parts[0].lowercased() == "bearer" ? String(parts[1].drop { $0 == " " }) : nil
    }

    // MARK: The answer

    private func send(_ answer: AdminAnswer) {
        let headers = stream.responseHeaders
        headers.removeAll()
        headers.status = answer.status
        var type = answer.contentType.text
        type.withUTF8 { headers.append(.contentType, ByteView(UnsafeRawBufferPointer($0))) }
        headers.append(.cacheControl, "no-cache, max-age=0")
        headers.append(name: ByteView("x-content-type-options"), value: ByteView("nosniff"))
        stream.info.responseCodeDetails = "admin_filter_response"
        source = answer.pieces.map { .pieces($0.next) } ?? .whole(answer.body, sent: 0)
        let isLong = answer.pieces != nil || answer.body.count >= AdminHandler.compressedFrom
        if isLong { headers.append(.vary, "accept-encoding") }
        if isLong, AcceptEncoding.takesGzip(stream.requestHeaders), let gzip = GzipStream() {
            headers.append(.contentEncoding, "gzip")
            compressor = gzip
        } else if answer.pieces == nil {
            headers.set(.contentLength, decimal: UInt64(answer.body.count))
        }
        let isEmpty = stream.requestHeaders.methodKind == .head || answer.pieces == nil && answer.body.isEmpty
        if isEmpty {
            forgetAnswer()
        } else {
            held = answer.body.count + (answer.pieces?.memory ?? 0) + (compressor == nil ? 0 : GzipStream.memory)
            budget.take(held)
        }
        stream.sendHead(end: isEmpty)
        pump()
    }

    /// Hands over what the connection takes; the rest waits until the client has read. What has to be made or compressed
    /// is, a piece a turn of the loop, so that others have theirs.
    private func pump() {
        while stream.isActive, !stream.isBackedUp, !source.isOver {
            let takesTime = source.takesTime || compressor != nil
            var piece = source.next(AdminHandler.piece)
            let isOver = source.isOver
            if let compressor { piece = compressor.compress(piece, end: isOver) }
            if isOver || !piece.isEmpty {
                var bytes = ByteQueue(pool: stream.loop.slabs)
                piece.withUnsafeBytes { bytes.append(ByteView($0)) }
                stream.sendBody(&bytes, end: isOver)
            }
            if takesTime && !isOver { return pumpLater() }
        }
    }

    private func pumpLater() {
        guard !isWaitingForTurn else { return }
        isWaitingForTurn = true
        stream.loop.later { [weak self] in
            self?.isWaitingForTurn = false
            self?.pump()
        }
    }

    func downstreamDrained() { pump() }

    func abandon() { forgetAnswer() }

    private func forgetAnswer() {
        budget.giveBack(held)
        held = 0
        source = .none
        compressor = nil
    }

    func reset() {
        isForm = false
        bodySize = 0
        form = []
    }
}

extension AdminAnswer.ContentType {
    /// The value of `content-type`.
    var text: String {
        switch self {
        case .text: "text/plain; charset=UTF-8"
        case .json: "application/json"
        case .html: "text/html; charset=UTF-8"
        case .prometheus: PrometheusText.contentType
        }
    }
}

/// How much of unread answers the admin port holds, over all its connections. Main thread only.
final class AdminBudget {
    /// Bytes past which nothing more is rendered until somebody has read.
    static let limit = 64 << 20
    private(set) var held = 0

    var isSpent: Bool { held > AdminBudget.limit }

    func take(_ count: Int) { held += count }
    func giveBack(_ count: Int) { held -= count }

    var refusal: AdminAnswer {
        AdminAnswer(
            "answers that nobody reads hold \(held) bytes; no more than \(AdminBudget.limit) may wait\n", status: 503)
    }
}
