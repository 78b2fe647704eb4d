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
    private static let piece = 64 << 10

    private unowned let stream: HTTPStream
    private let desk: AdminDesk
    private let budget: AdminBudget
    private var isForm = false
    private var bodySize = 0
    private var form: [UInt8] = []
    /// The answer, and how much of it the connection has.
    private var page: [UInt8] = []
    private var sent = 0

    init(_ stream: HTTPStream, desk: AdminDesk, budget: AdminBudget) {
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
        send(desk.answer(AdminRequest(method: headers.method.string, target: headers.path.string, form: form)))
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
        headers.set(.contentLength, decimal: UInt64(answer.body.count))
        stream.info.responseCodeDetails = "admin_filter_response"
        let isEmpty = answer.body.isEmpty || stream.requestHeaders.methodKind == .head
        if !isEmpty { hold(answer.body) }
        stream.sendHead(end: isEmpty)
        pump()
    }

    /// Hands over what the connection takes; the rest waits until the client has read.
    private func pump() {
        let page = page
        while sent < page.count, stream.isActive, !stream.isBackedUp {
            let end = min(sent + AdminHandler.piece, page.count)
            var bytes = ByteQueue(pool: stream.loop.slabs)
            page.withUnsafeBytes { bytes.append(ByteView(UnsafeRawBufferPointer(rebasing: $0[sent..<end]))) }
            sent = end
            stream.sendBody(&bytes, end: end == page.count)
        }
    }

    private func hold(_ body: [UInt8]) {
        page = body
        sent = 0
        budget.take(page.count)
    }

    func downstreamDrained() { pump() }

    func abandon() {
        budget.giveBack(page.count)
        page = []
        sent = 0
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
