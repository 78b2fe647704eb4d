// Metadata of services, good one and all kinds of bytes.
import Reactor
import Testing

@testable import DataPlane

struct ServiceMetadataTests {
    /// `Value`s by what writes them.
    private static func fields(_ values: [(String, (inout ProtobufWriter) -> Void)]) -> [UInt8] {
        var writer = ProtobufWriter()
        for (key, value) in values {
            writer.append(1) { field in
                field.append(1, key)
                field.append(2, message: value)
            }
        }
        return writer.bytes
    }

    private func read(_ bytes: [UInt8]) -> [String]? {
        ServiceMetadata.entries(bytes, namespace: "n")?.map { "\($0.key)=\($0.value)" + ($0.isText ? "" : " (json)") }
    }

    private func nested(_ depth: Int) -> [UInt8] {
        var bytes = Self.fields([("a", { $0.append(3, "x") })])
        for _ in 0..<depth {
            let inner = bytes
            bytes = Self.fields([("a", { value in inner.withUnsafeBytes { value.append(5, ByteView($0)) } })])
        }
        return bytes
    }

    @Test func valuesOfAllKinds() {
        let bytes = Self.fields([
            ("text", { $0.append(3, "a\"b") }), ("yes", { $0.append(4, 1) }), ("nothing", { _ in }),
            (
                "list",
                { value in
                    value.append(6) { list in
                        list.append(1) { $0.append(3, "a\"b") }
                        list.append(1) { $0.append(4, 1) }
                    }
                }
            ),
            (
                "inner",
                { value in
                    value.append(5) { inner in
                        for key in ["z", "b"] {
                            inner.append(1) { field in
                                field.append(1, key)
                                field.append(2) { $0.append(3, "v") }
                            }
                        }
                    }
                }
            ),
        ])
        #expect(
            read(bytes) == [
                #"inner={"b":"v","z":"v"} (json)"#, #"list=["a\"b",true] (json)"#, "nothing=null (json)", #"text=a"b"#,
                "yes=true (json)",
            ])
        #expect(read([]) == [])
    }

    @Test(arguments: [
        (1, "1"), (-3, "-3"), (1.5, "1.5"), (0, "0"), (9_007_199_254_740_992, "9007199254740992"),
        (.infinity, "null"),
        (.nan, "null"),
    ])
    func numbers(value: Double, text: String) {
        let bits = value.bitPattern
        let number: [UInt8] = [0x11] + (0..<8).map { UInt8(truncatingIfNeeded: bits >> UInt64($0 * 8)) }
        let field: [UInt8] = [0x0a, 1, 0x6e, 0x12, UInt8(number.count)] + number
        #expect(read([0x0a, UInt8(field.count)] + field) == ["n=\(text) (json)"])
    }

    @Test func thereIsAnEndToDepth() {
        #expect(read(nested(2)) == [#"a={"a":{"a":"x"}} (json)"#])
        #expect(read(nested(60)) != nil)
        #expect(read(nested(70)) == nil)
    }

    @Test func bytesOfAllKinds() {
        let whole = nested(5)
        for count in whole.indices { _ = read(Array(whole.prefix(count))) }
        for index in whole.indices {
            for value: UInt8 in [0, 1, 0x7f, 0x80, 0xff] {
                var changed = whole
                changed[index] = value
                _ = read(changed)
            }
        }
        #expect(read(Array(whole.dropLast())) == nil)
    }
}
