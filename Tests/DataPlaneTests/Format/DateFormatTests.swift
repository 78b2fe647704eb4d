// Time stamps: compared with the C library over four centuries, and with what Envoy printed.
import Glibc
import Reactor
import Testing

@testable import DataPlane

@Suite struct DateFormatTests {
    private func render(_ format: String, _ nanoseconds: Int64, local: Bool = false) throws -> String {
        var sink = ByteArena()
        try DateFormat(format, local: local, base: 0).append(WallTime(unixNanoseconds: nanoseconds), to: &sink)
        return sink.view.string
    }

    @Test func envoysExtensions() throws {
        // 2026-11-22T14:39:27.768277Z, printed by Envoy 1.40.
        let time: Int64 = 1_795_358_367_768_277_000
        let format = "%Y/%m/%dT%H:%M:%S%z %s %3f %6f %9f %f %E4S %e %j %a %b %y %p %I"
        #expect(
            try render(format, time)
                == "2026/11/22T14:39:27+0000 1795358367 768 768277 768277000 768277000 27.7682 22 326 Sun Nov 26 PM 02")
        #expect(try render("", time) == "2026-11-22T14:39:27.768Z")
        #expect(try render("%E*S %E*f %E4Y %Ez %1f %E0S", time) == "27.768277 768277 2026 +00:00 7 27")
        #expect(try render("%E*S %E*f", 5_000_000_000) == "05 0")
        #expect(try render("%% plain", time) == "% plain")
    }

    @Test func fractionsOfTheSameSecondAndBack() throws {
        let format = try DateFormat("", local: false, base: 0)
        var sink = ByteArena()
        for nanoseconds: Int64 in [1_000_000, 999_000_000, 1_002_000_000, 3_000_000] {
            format.append(WallTime(unixNanoseconds: nanoseconds), to: &sink)
            sink.append(byte: UInt8(ascii: " "))
        }
        #expect(
            sink.view.string
                == "1970-01-01T00:00:00.001Z 1970-01-01T00:00:00.999Z "
                + "1970-01-01T00:00:01.002Z 1970-01-01T00:00:00.003Z "
        )
    }

    @Test func everyLetterAsTheLibraryHasIt() throws {
        let letters = "aAbBcCdDeFgGhHIjklmMpPrRsStTuUVwWxXyYzZ"
        let format = letters.map { "%\($0)" }.joined(separator: "|")
        let compiled = try DateFormat(format, local: false, base: 0)
        // A step that is no multiple of days, weeks or hours, from 1900 to 2240.
        var seconds: Int64 = -2_200_000_000
        while seconds < 8_500_000_000 {
            var sink = ByteArena()
            compiled.append(WallTime(unixNanoseconds: seconds * 1_000_000_000), to: &sink)
            var time = time_t(seconds)
            var parts = tm()
            gmtime_r(&time, &parts)
            var text = [CChar](repeating: 0, count: 1024)
            let count = strftime(&text, text.count, format, &parts)
            let expected = String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
                .replacing("GMT", with: "UTC")
            try #require(sink.view.string == expected, "at \(seconds)")
            seconds += 86_400 * 17 + 7_919
        }
    }
}
