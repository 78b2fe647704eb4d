// A thread that runs a loop.
import CLinux
import Glibc

/// A started thread. Ends when its body returns.
public final class LoopThread: Sendable {
    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    private let handle: pthread_t

    /// Starts a thread. `name` is what `ps -L` and `top -H` show, cut to 15 bytes.
    public init(name: String, _ run: @escaping @Sendable () -> Void) throws(SystemError) {
        let body = Unmanaged.passRetained(Body(name: name, run: run))
        var handle = pthread_t()
        // The new thread takes the one reference that was retained for it.
        let code = pthread_create(
            &handle, nil,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                _ = pthread_setname_np(pthread_self(), String(decoding: body.name.utf8.prefix(15), as: UTF8.self))
                body.run()
                return nil
            }, body.toOpaque())
        guard code == 0 else {
            body.release()
            throw SystemError("pthread_create", code: code, subject: name)
        }
        self.handle = handle
    }

    /// The kernel's number of the calling thread, for logs.
    public static var currentID: Int32 { gettid() }

    /// Waits for its end. Call once.
    public func join() { pthread_join(handle, nil) }
}
