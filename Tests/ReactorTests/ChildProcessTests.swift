// Children: how they begin, end and are found again; and the folders that they work in.
import Glibc
import Reactor
import Testing

@Suite struct ChildProcessTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = try Folder.makeTemporary(prefix: "outrider-test")
        defer { try? Folder.remove(folder) }
        try body(folder)
    }

    @Test func tellsItsExitCodeAndItsOutput() throws {
        try withFolder { folder in
            let child = try ChildProcess.start(
                "/bin/sh", ["sh", "-c", "echo out; echo err >&2; exit 3"], log: "\(folder)/log")
            #expect(child.wait() == .exited(3))
            #expect(child.reap() == .exited(3))
            #expect(try FileContents.read("\(folder)/log") == Array("out\nerr\n".utf8))
        }
    }

    @Test func tellsTheSignalThatEndedIt() throws {
        try withFolder { folder in
            let child = try ChildProcess.start("/bin/sh", ["sh", "-c", "exec sleep 60"], log: "\(folder)/log")
            #expect(child.reap() == nil)
            child.send(SIGKILL)
            #expect(child.wait() == .killed(signal: SIGKILL))
        }
    }

    @Test func blocksNoSignalAndIsAGroupOfItsOwn() throws {
        try withFolder { folder in
            let child = try ChildProcess.start("/bin/cat", ["cat", "/proc/self/status"], log: "\(folder)/log")
            child.wait()
            let said = String(decoding: try FileContents.read("\(folder)/log"), as: UTF8.self)
            #expect(said.contains("SigBlk:\t0000000000000000\n"))
            // The C library keeps two signals of its own, 32 and 33, out of everybody's reach.
            let ignored = said.split(separator: "\n").first { $0.hasPrefix("SigIgn:") }?.dropFirst(8)
            #expect(ignored.flatMap { UInt64($0, radix: 16) }.map { $0 & 0x7fff_ffff } == 0)
            #expect(said.contains("NSpgid:\t\(child.id)\n"))
        }
    }

    @Test func runsAProgramForWhatItPrints() throws {
        let text = [UInt8](repeating: UInt8(ascii: "x"), count: 300_000)
        let outcome = try ChildProcess.run("/bin/sh", ["sh", "-c", "cat; echo no >&2; exit 4"], input: text)
        #expect(outcome.end == .exited(4) && outcome.output == text && outcome.errors == Array("no\n".utf8))
        #expect(throws: SystemError.self) { try ChildProcess.run("/nowhere/at/all", ["x"], input: []) }
    }

    @Test func findsProgramsAndAccounts() {
        #expect(ChildProcess.find("sh")?.hasSuffix("/sh") == true)
        #expect(ChildProcess.find("no-such-program-at-all") == nil)
        #expect(Accounts.userID(named: "root") == 0 && Accounts.groupID(named: "root") == 0)
        #expect(Accounts.userID(named: "no-such-user") == nil)
    }

    @Test func namesAProgramThatIsNotThere() throws {
        try withFolder { folder in
            #expect(throws: SystemError("posix_spawn", code: ENOENT, subject: "/nowhere/at/all")) {
                try ChildProcess.start("/nowhere/at/all", ["x"], log: "\(folder)/log")
            }
        }
    }

    @Test func foldersAreMadeForTheirOwner() throws {
        try withFolder { folder in
            let deep = "\(folder)/a//b"
            try Folder.make(deep)
            try Folder.make(deep)
            #expect(Folder.has(deep))
            var info = stat()
            #expect(lstat(folder, &info) == 0 && info.st_mode & 0o777 == 0o700)
            #expect(lstat(deep, &info) == 0 && info.st_mode & 0o777 == 0o700)
            try FileContents.write([1], to: "\(deep)/file")
            #expect(throws: SystemError("mkdir", code: ENOTDIR, subject: "\(deep)/file/x")) {
                try Folder.make("\(deep)/file/x")
            }
            try Folder.remove(deep)
            #expect(!Folder.has(deep))
            #expect(throws: SystemError("rmdir", code: ENOTEMPTY, subject: folder)) { try Folder.remove(folder) }
            try Folder.remove("\(folder)/a")
        }
    }
}
