// traceparent and B3: what is read, what is written, and what is neither.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

private let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
private let long = SpanContext(
    traceHigh: 0x4bf9_2f35_77b3_4da6, traceLow: 0xa3ce_929d_0e0e_4736, span: 0xf0_67aa_0ba9_02b7)

extension SpanContext {
    fileprivate func with(parent: UInt64 = 0, isSampled: Bool = false) -> SpanContext {
        var context = self
        context.parent = parent
        context.isSampled = isSampled
        return context
    }
}

private func headers(_ fields: KeyValuePairs<String, String>) -> HeaderMap {
    let map = HeaderMap()
    for (name, value) in fields { name.bytes { name in value.bytes { _ = map.append(name: name, value: $0) } } }
    return map
}

struct PropagationTests {
    @Test(arguments: ["00-\(trace)-00f067aa0ba902b7-01", "01-\(trace.uppercased())-00F067AA0BA902B7-03"])
    func aParentIsRead(_ value: String) {
        #expect(W3CPropagation.read(headers(["traceparent": value])) == .context(long.with(isSampled: true)))
    }

    @Test func aParentThatDecidedAgainst() {
        let request = headers(["traceparent": "00-\(trace)-00f067aa0ba902b7-00"])
        #expect(W3CPropagation.read(request) == .context(long))
        #expect(W3CPropagation.read(HeaderMap()) == .nothing)
    }

    @Test(arguments: [
        "", "00", "00-\(trace)-00f067aa0ba902b7", "00-\(trace)-00f067aa0ba902b7-01-x",
        "ff-\(trace)-00f067aa0ba902b7-01",
        "00-\(trace)-0000000000000000-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00_\(trace)-00f067aa0ba902b7-01", "00-\(trace.dropLast())g-00f067aa0ba902b7-01",
        "zz-\(trace)-00f067aa0ba902b7-01",
    ])
    func noParent(_ value: String) {
        #expect(W3CPropagation.read(headers(["traceparent": value])) == .malformed)
    }

    @Test func aParentIsWritten() {
        var scratch = ByteArena()
        let request = headers(["traceparent": "x"])
        W3CPropagation.write(SpanContext(traceLow: 1, span: 2, isSampled: true), to: request, &scratch)
        #expect(
            request.value(.traceparent)?.string == "00-00000000000000000000000000000001-0000000000000002-01")
    }

    @Test(
        arguments: [
            ("\(trace)-00f067aa0ba902b7", nil, 0), ("\(trace)-00f067aa0ba902b7-0", false, 0),
            ("\(trace)-00f067aa0ba902b7-d", true, 0), ("\(trace)-00f067aa0ba902b7-1-00000000000000ff", true, 255),
        ] as [(String, Bool?, UInt64)])
    func b3InOneHeader(_ value: String, _ isSampled: Bool?, _ parent: UInt64) {
        #expect(B3Propagation.read(headers(["b3": value])) == .context(long.with(parent: parent), isSampled: isSampled))
    }

    @Test(arguments: [("0", false), ("1", true), ("d", true)])
    func b3OfADecisionAlone(_ value: String, _ isSampled: Bool) {
        #expect(B3Propagation.read(headers(["b3": value])) == .nothing(isSampled: isSampled))
    }

    @Test func b3ThatIsCutAnywhere() {
        let whole = "\(trace)-00f067aa0ba902b7-1-00000000000000ff"
        // A decision or a parent that is missing is none that is wrong.
        for count in 0..<whole.utf8.count where count != 49 && count != 51 {
            let value = String(whole.prefix(count))
            #expect(B3Propagation.read(headers(["b3": value])) == .malformed, "\(value)")
        }
    }

    @Test func b3InSeveralHeaders() {
        let request = headers([
            "x-b3-traceid": trace, "x-b3-spanid": "f067aa0ba902b7", "x-b3-sampled": "true", "x-b3-parentspanid": "ff",
        ])
        #expect(B3Propagation.read(request) == .context(long.with(parent: 255), isSampled: true))
        #expect(B3Propagation.read(headers(["x-b3-traceid": trace])) == .nothing(isSampled: nil))
        #expect(B3Propagation.read(headers(["x-b3-sampled": "0"])) == .nothing(isSampled: false))
        for (name, value) in [
            ("x-b3-traceid", "xyz"), ("x-b3-spanid", "0"), ("x-b3-spanid", "00000000000000001"),
            ("x-b3-parentspanid", "-1"),
        ] {
            let request = headers(["x-b3-traceid": trace, "x-b3-spanid": "1"])
            name.bytes { name in value.bytes { _ = request.set(name: name, value: $0) } }
            #expect(B3Propagation.read(request) == .malformed, "\(name)")
        }
        // 17 to 31 digits are no id.
        #expect(B3Propagation.read(headers(["x-b3-traceid": "\(trace.dropLast())", "x-b3-spanid": "1"])) == .malformed)
    }

    @Test func b3IsWrittenAsItCame() {
        var scratch = ByteArena()
        let request = headers(["x-b3-parentspanid": "1"])
        B3Propagation.write(long, to: request, isSingle: false, &scratch)
        #expect(request.value(.xB3TraceID)?.string == trace)
        #expect(request.value(.xB3SpanID)?.string == "00f067aa0ba902b7")
        #expect(request.value(.xB3ParentSpanID) == nil)
        #expect(request.value(.xB3Sampled)?.string == "0")
        let single = headers(["b3": "1"])
        B3Propagation.write(
            SpanContext(traceLow: 10, span: 11, parent: 12, isSampled: true), to: single, isSingle: true, &scratch)
        #expect(single.value(.b3)?.string == "000000000000000a-000000000000000b-1-000000000000000c")
    }
}
