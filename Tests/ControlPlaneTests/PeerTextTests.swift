// What a control plane says, in the log and in answers to it.
import Testing

@testable import ControlPlane

@Suite struct PeerTextTests {
    @Test func controlCharactersBecomeSpaces() {
        #expect(PeerText.clean("fine – ü") == "fine – ü")
        #expect(PeerText.clean("a\nb\u{1b}[31mc\u{7f}\u{9b}") == "a b [31mc  ")
        #expect(PeerText.clean("a\nb\rc", keepsLines: true) == "a\nb c")
    }

    @Test func textsAreBounded() {
        #expect(PeerText.clean(String(repeating: "x", count: 100), longest: 3) == "xxx…")
        // In the middle of a character.
        #expect(PeerText.clean("ääää", longest: 3).utf8.count < 12)
    }
}
