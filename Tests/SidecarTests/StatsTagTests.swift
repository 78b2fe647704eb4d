// `--stats-tag`: what Envoy takes and what it refuses.
import Testing

@testable import Sidecar

struct StatsTagTests {
    @Test(arguments: [
        ("a:b", "a", "b"), ("A9:x", "A9", "x"), ("a:b:c", "a", "b:c"), ("a::b", "a", ":b"), ("a:c d", "a", "c d"),
        ("a:é", "a", "é"), ("a:b=c,d/e", "a", "b=c,d/e"),
    ])
    func taken(text: String, name: String, value: String) throws {
        let tag = try StatsTag(text)
        #expect(tag.name == name && tag.value == value)
    }

    @Test(arguments: [
        ("a", "is not name:value"),
        ("", "is not name:value"),
        ("a:", "a tag's value is not empty and has no dot"),
        ("a:b.c", "a tag's value is not empty and has no dot"),
        (":b", "a tag's name has letters and digits only, '' has not"),
        ("a_b:c", "a tag's name has letters and digits only, 'a_b' has not"),
        ("a-b:c", "a tag's name has letters and digits only, 'a-b' has not"),
        ("é:c", "a tag's name has letters and digits only, 'é' has not"),
    ])
    func refused(text: String, reason: String) {
        let error = #expect(throws: StatsTagError.self) { try StatsTag(text) }
        #expect(error?.description == reason)
    }
}
