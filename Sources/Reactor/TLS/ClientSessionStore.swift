// The sessions that a client context keeps to resume later.
import COpenSSL

/// At most `limit` sessions, newest first. Used on the context's thread.
///
/// A resumed session is not verified again, so a session is only good for a connection that would verify the peer
/// against the same names: those are its key.
final class ClientSessionStore {
    /// What a session was made for.
    struct Key: Equatable {
        var serverName: String
        var verifyNames: [String]
    }

    private struct Entry {
        let key: Key
        // Invariant: one reference is ours while the entry is in the list.
        let session: OpaquePointer
    }

    private let limit: Int
    private var entries: [Entry] = []

    init(limit: Int) { self.limit = limit }

    deinit {
        for entry in entries { SSL_SESSION_free(entry.session) }
    }

    var count: Int { entries.count }

    /// Takes over the caller's reference.
    func keep(_ session: OpaquePointer, for key: Key) {
        entries.insert(Entry(key: key, session: session), at: 0)
        while entries.count > limit, let oldest = entries.popLast() { SSL_SESSION_free(oldest.session) }
    }

    /// Keeps the session of a connection that resumed an older one and was given a new ticket for it. OpenSSL tells of
    /// new tickets by callback, but not of these, which only TLS 1.2 has.
    func replace(after ssl: OpaquePointer, for key: Key) {
        guard SSL_session_reused(ssl) == 1, SSL_version(ssl) < TLS1_3_VERSION, let session = SSL_get1_session(ssl)
        else { return }
        if entries.contains(where: { $0.session == session }) {
            SSL_SESSION_free(session)
        } else {
            keep(session, for: key)
        }
    }

    /// Sets the newest session for `key` on a connection that is about to begin. A TLS 1.3 ticket is used once (RFC 8446
    /// §C.4), an older session again and again.
    func resume(_ ssl: OpaquePointer, for key: Key) {
        while let index = entries.firstIndex(where: { $0.key == key }) {
            let session = entries[index].session
            let usable = SSL_SESSION_is_resumable(session) == 1
            if usable { SSL_set_session(ssl, session) }
            let once = SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION
            if once || !usable {
                entries.remove(at: index)
                SSL_SESSION_free(session)
            }
            if usable { return }
        }
    }
}
