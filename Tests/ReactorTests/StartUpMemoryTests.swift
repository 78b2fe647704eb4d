// Letting go of program text: only what is text of a file, and the process runs on.
import Testing

@testable import Reactor

@Suite struct StartUpMemoryTests {
    @Test func onlyTheTextOfFilesIsLetGo() {
        let text = "55d0a000-55d0c000 r-xp 00001000 fe:00 77         /usr/bin/some thing"
        #expect(StartUpMemory.textRange(of: text[...]) == 0x55d0_a000..<0x55d0_c000)
        for line in [
            "55d0a000-55d0c000 rwxp 00001000 fe:00 77         /usr/bin/some",
            "55d0a000-55d0c000 r--p 00001000 fe:00 77         /usr/bin/some",
            "7ffd4000-7ffd6000 r-xp 00000000 00:00 0          [vdso]",
            "7ffd4000-7ffd6000 r-xp 00000000 00:00 0 ",
            "7ffd6000-7ffd4000 r-xp 00000000 fe:00 77         /usr/bin/some",
            "what", "",
        ] {
            #expect(StartUpMemory.textRange(of: line[...]) == nil, "\(line)")
        }
    }

    @Test func theProgramRunsOn() {
        StartUpMemory.release()
        #expect(String(repeating: "a", count: 3).uppercased() == "AAA")
    }
}
