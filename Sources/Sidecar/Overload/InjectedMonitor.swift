// `envoy.resource_monitors.injected_resource`: a pressure that somebody else writes into a file. For tests, and for whoever
// knows better than the proxy.
import Reactor

/// The number in a file, from 0 to 1. Main thread only.
final class InjectedMonitor: ResourceMonitor {
    private let file: String

    init(file: String) { self.file = file }

    func read(now: MonotonicTime) throws(ResourceFailure) -> Double {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileContents.read(file, limit: 64, waits: false)
        } catch {
            throw ResourceFailure(description: "'\(file)' cannot be read: \(error.reason)")
        }
        let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        guard let value = Double(text) else {
            throw ResourceFailure(description: "'\(file)' has no number")
        }
        guard (0...1).contains(value) else {
            throw ResourceFailure(description: "'\(file)' has to have a number from 0 to 1, found \(value)")
        }
        return value
    }
}
