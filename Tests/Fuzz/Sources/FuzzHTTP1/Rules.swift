// Paths, authorities, queries, dates.
import HTTPWire
import Reactor

func fuzzRules(_ input: inout Input) {
    let choice = input.byte()
    let text = FixedBytes(input.remainder())
    fuzzPath(choice, text)
    fuzzAuthority(text)
    let query = QueryParameters(path: text.view)
    query.forEachParameter { name, _ in check(query.value(name) != nil, "parameter \(name) is lost") }
    if let date = HTTPDate(text.view, nowYear: 2026) {
        let again = HTTPDate(unixSeconds: date.unixSeconds)
        let shown = FixedBytes(again.text)
        check(HTTPDate(shown.view)?.unixSeconds == again.unixSeconds, "date \(again.text)")
    }
    _ = RetryAfter.seconds(text.view, nowUnixSeconds: 1_700_000_000)
    _ = RetryAfter.secondsUntil(text.view, nowUnixSeconds: 1_700_000_000)
    _ = RetryAfter.keepAliveTimeout(text.view)
    let encoded = FixedBytes(PercentCoding.encoded(text.view))
    check(PercentCoding.decoded(encoded.view) == text.view.array, "percent coding")
}

private func fuzzPath(_ choice: UInt8, _ text: FixedBytes) {
    let escaped: [PathRules.EscapedSlashes] = [.keep, .reject, .redirect, .unescape]
    let rules = PathRules(
        normalize: choice & 1 != 0, mergeSlashes: choice & 2 != 0, escapedSlashes: escaped[Int(choice >> 2 & 3)])
    let map = HeaderMap()
    map.setPath(text.view)
    let before = map.path.array
    let outcome = rules.apply(to: map)
    let after = map.path.array
    switch outcome {
    case .unchanged: check(before == after, "changed")
    case .changed: check(before != after, "unchanged")
    case .redirect, .reject: break
    }
    guard outcome != .reject, before.first == 0x2f else { return }
    check(after.first == 0x2f, "no path any more")
    let path = PathRules.split(map.path).path.array
    if rules.mergeSlashes { check(!path.contains2(0x2f, 0x2f), "slashes left") }
    if rules.normalize {
        let segments = path.split(separator: 0x2f)
        check(!segments.contains { $0 == [0x2e] || $0 == [0x2e, 0x2e] }, "dot segments left")
        var again = rules
        again.escapedSlashes = .keep
        check(again.apply(to: map) == .unchanged, "not stable: \(before) \(after) \(map.path.array)")
    }
}

private func fuzzAuthority(_ text: FixedBytes) {
    guard let parts = AuthorityRules.split(text.view) else { return }
    check(!text.view.contains(0x40) && !text.view.contains(0x20), "authority \(text.string)")
    let port = parts.portText.map { ":" + $0.string } ?? ""
    let host = parts.isBracketed ? "[\(parts.host)]" : parts.host.string
    check(host + port == text.string, "authority \(text.string)")
    check(AuthorityRules.withoutPort(text.view).string == host, "host of \(text.string)")
    _ = AuthorityRules.withoutTrailingDot(text.view)
}

extension Array where Element == UInt8 {
    fileprivate func contains2(_ first: UInt8, _ second: UInt8) -> Bool {
        zip(self, dropFirst()).contains { $0 == first && $1 == second }
    }
}
