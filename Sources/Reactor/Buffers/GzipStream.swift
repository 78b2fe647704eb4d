// Compresses bytes as they come, by zlib. All of zlib's raw memory stays in this file.
import CZlib

/// One compressed message in the gzip format (RFC 1952). One thread.
public final class GzipStream {
    /// What one takes while it lives, bytes: a window of 8 KiB and tables, which texts that repeat themselves lose little by.
    public static let memory = 64 << 10
    private static let windowBits: Int32 = 13
    private static let memoryLevel: Int32 = 6
    /// Added to the window's bits: the gzip format, not zlib's own.
    private static let gzipFormat: Int32 = 16

    // Invariant: deflateInit2 has succeeded, and its stream stays where it was: zlib's state points back to it.
    private let stream: UnsafeMutablePointer<z_stream>

    /// nil: there is no memory.
    public init?() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let result = deflateInit2_(
            stream, Z_BEST_SPEED, Z_DEFLATED, GzipStream.windowBits + GzipStream.gzipFormat, GzipStream.memoryLevel,
            Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        if result != Z_OK {
            stream.deallocate()
            return nil
        }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Takes `bytes`, and returns what has been compressed of all so far; that may be nothing. Nothing may follow the `end`.
    public func compress(_ bytes: [UInt8], end: Bool) -> [UInt8] {
        var input = bytes
        var output: [UInt8] = []
        // Invariant: zlib reads from `input` and writes to `room` inside of these closures only.
        input.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(truncatingIfNeeded: input.count)
            withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 16) { room in
                guard let start = room.baseAddress else { return }
                repeat {
                    stream.pointee.next_out = start.assumingMemoryBound(to: UInt8.self)
                    stream.pointee.avail_out = UInt32(truncatingIfNeeded: room.count)
                    // With room and valid arguments it cannot fail; without progress it has nothing to write.
                    _ = deflate(stream, end ? Z_FINISH : Z_NO_FLUSH)
                    let left = Int(stream.pointee.avail_out)
                    output.append(contentsOf: UnsafeRawBufferPointer(rebasing: room[..<(room.count - left)]))
                } while stream.pointee.avail_out == 0
            }
            stream.pointee.next_in = nil
            stream.pointee.avail_in = 0
        }
        return output
    }
}
