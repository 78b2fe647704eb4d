// What is compressed in pieces is one message that zlib's own reader takes.
import CZlib
import Reactor
import Testing

@Suite struct GzipStreamTests {
    private func inflated(_ bytes: [UInt8]) -> [UInt8] {
        var input = bytes
        var output = [UInt8](repeating: 0, count: 4 << 20)
        var stream = z_stream()
        guard inflateInit2_(&stream, 16 + 15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return []
        }
        defer { inflateEnd(&stream) }
        let result = input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                return inflate(&stream, Z_FINISH)
            }
        }
        #expect(result == Z_STREAM_END && stream.avail_in == 0)
        return Array(output.prefix(output.count - Int(stream.avail_out)))
    }

    @Test func piecesMakeOneMessage() throws {
        let gzip = try #require(GzipStream())
        var (plain, packed): ([UInt8], [UInt8]) = ([], [])
        for number in 0..<3000 {
            let line = Array("envoy_cluster_upstream_rq{envoy_cluster_name=\"c\(number)\"} \(number)\n".utf8)
            plain += line
            packed += gzip.compress(line, end: false)
        }
        packed += gzip.compress([], end: true)
        #expect(packed.prefix(2) == [0x1f, 0x8b] && packed.count * 5 < plain.count)
        #expect(inflated(packed) == plain)
    }

    @Test func anEmptyMessageAndOneThatCannotBeCompressed() throws {
        #expect(inflated(try #require(GzipStream()).compress([], end: true)).isEmpty)
        var state: UInt64 = 9
        let noise = (0..<300_000).map { _ -> UInt8 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
        #expect(inflated(try #require(GzipStream()).compress(noise, end: true)) == noise)
    }
}
