// One request to the admin port, whole.
import HTTPWire
import Reactor

/// What an endpoint is asked.
struct AdminRequest {
    let method: String
    /// Path and query, as `allow_paths` sees them.
    let target: String
    /// Without the query.
    let path: String
    let parameters: AdminParameters
    /// `authorization: Bearer …`; nil: there is none.
    let token: String?
    /// Who sent it, where that is known: by a Unix socket.
    let user: UInt32?

    /// - Parameter form: the body, when it is a form; it counts when there is no query.
    init(method: String, target: String, form: [UInt8] = [], token: String? = nil, user: UInt32? = nil) {
        self.method = method
        self.token = token
        self.user = user
        self.target = target
        var bytes = target
        (path, parameters) = bytes.withUTF8 { bytes in
            let target = ByteView(UnsafeRawBufferPointer(bytes))
            let query = AdminParameters(target: target)
            let parameters = query.isEmpty && !form.isEmpty ? AdminParameters(form: form) : query
            return (PathRules.split(target).path.string, parameters)
        }
    }
}

/// What an endpoint answers.
struct AdminAnswer {
    enum ContentType {
        case text
        case json
        case html
        case prometheus
    }

    var status = 200
    var contentType = ContentType.text
    var body: [UInt8] = []
    /// In the place of a body: its pieces, each made when it is asked for, and what they hold until the last, bytes. An
    /// empty piece says that there was something else to do; nil is the end.
    var pieces: (next: () -> [UInt8]?, memory: Int)?

    /// An answer that is written as fast as it is read.
    init(_ contentType: ContentType, memory: Int, pieces: @escaping () -> [UInt8]?) {
        self.contentType = contentType
        self.pieces = (pieces, memory)
    }

    init(_ body: [UInt8], _ contentType: ContentType = .text) {
        self.body = body
        self.contentType = contentType
    }

    init(_ text: String, status: Int = 200) {
        self.status = status
        body = Array(text.utf8)
    }

    /// What a change that worked is answered with.
    static var ok: AdminAnswer { AdminAnswer("OK\n") }
}
