// Text of a file in messages: quoted, cut and kept on one line.

/// `text` in quotes, cut to what a message has room for.
public func quotedForMessage(_ text: String) -> String {
    let limit = 80
    var out = "\""
    for scalar in text.unicodeScalars.prefix(limit) {
        if scalar == "\"" { out += "\\\"" } else { append(scalar, to: &out) }
    }
    if text.unicodeScalars.count > limit { out += "…" }
    return out + "\""
}

/// `text` on one line, and without anything that a terminal would act on.
public func singleLine(_ text: String) -> String {
    if !text.unicodeScalars.contains(where: isControl) { return text }
    var out = ""
    for scalar in text.unicodeScalars { append(scalar, to: &out) }
    return out
}

private func append(_ scalar: Unicode.Scalar, to out: inout String) {
    switch scalar {
    case "\n": out += "\\n"
    case "\r": out += "\\r"
    case "\t": out += "\\t"
    case let scalar where isControl(scalar): out += "?"
    default: out.unicodeScalars.append(scalar)
    }
}

/// C0, DEL, C1, and the separators of lines and paragraphs.
private func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || (0x2028...0x2029).contains(scalar.value)
}
