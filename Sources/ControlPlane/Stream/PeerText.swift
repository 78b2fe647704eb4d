// What a control plane has said, made fit for the log.

/// Texts of peers: of bounded length, and without characters that end lines or drive terminals.
enum PeerText {
    /// Bytes of a text in the log, and of one that goes back in a NACK.
    static let longest = 8192

    /// `keepsLines`: for texts of several lines, each of which was checked by who made it.
    static func clean(_ text: String, longest: Int = PeerText.longest, keepsLines: Bool = false) -> String {
        var cut = text
        if text.utf8.count > longest { cut = String(decoding: text.utf8.prefix(longest), as: UTF8.self) + "…" }
        let isClean = cut.unicodeScalars.allSatisfy { !isControl($0, keepsLines) }
        if isClean { return cut }
        return String(String.UnicodeScalarView(cut.unicodeScalars.map { isControl($0, keepsLines) ? " " : $0 }))
    }

    private static func isControl(_ scalar: Unicode.Scalar, _ keepsLines: Bool) -> Bool {
        scalar.value < 0x20 && !(keepsLines && scalar == "\n") || (0x7f...0x9f).contains(scalar.value)
    }
}
