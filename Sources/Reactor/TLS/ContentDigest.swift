// What tells two pieces of configuration apart without keeping them.
import COpenSSL

/// SHA-256 of some bytes: equal when they are equal, and for all that anybody could do, only then.
public struct ContentDigest: Hashable, Sendable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    public init(_ bytes: [UInt8]) {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        // The tuple is exactly as large as the digest, and an empty array's nil base address goes with a count of 0.
        let isDone = withUnsafeMutableBytes(of: &words) { digest in
            bytes.withUnsafeBytes {
                EVP_Digest(
                    $0.baseAddress, $0.count, digest.baseAddress?.assumingMemoryBound(to: UInt8.self), nil,
                    EVP_sha256(), nil)
            }
        }
        precondition(isDone == 1, "OpenSSL has no SHA-256")
        self.words = words
    }

    public static func == (one: ContentDigest, other: ContentDigest) -> Bool { one.words == other.words }

    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
