// Files that change in every way that files change in, and a watch that says which.
import Glibc
import Reactor
import TestKit
import Testing

@Suite struct FileWatchTests {
    /// A folder with a watch on some places in it.
    private final class Scene {
        let root: String
        let clock = TestClock()
        let loop: EventLoop
        private(set) var watch: FileWatch?
        /// What was told, one set a call.
        private(set) var told: [Set<Int>] = []
        private(set) var blind: [FileWatch.Blindness] = []

        init() throws {
            root = try Folder.makeTemporary(prefix: "outrider-test")
            loop = try EventLoop(clock: clock)
        }

        deinit {
            watch?.close()
            _ = try? ChildProcess.run("/bin/rm", ["-rf", root], input: [])
        }

        func path(_ name: String) -> String { "\(root)/\(name)" }

        func write(_ name: String, _ text: String) throws { try FileContents.write(Array(text.utf8), to: path(name)) }

        /// In place, and closed.
        func append(_ name: String, _ text: StaticString) throws {
            #expect(try AppendFile(.path(path(name))).write(ByteView(text)) == nil)
        }

        func link(_ name: String, to target: String) {
            #expect(symlink(target, path(name + ".new")) == 0)
            move(name + ".new", to: name)
        }

        func move(_ name: String, to other: String) { #expect(rename(path(name), path(other)) == 0) }

        func start(_ places: [WatchedPlace], poll: TimeAmount? = nil) throws {
            watch = try FileWatch(
                places.map { ($0, FileStamp($0.path)) }, loop: loop, pollInterval: poll,
                blind: { [unowned self] in blind.append($0) }, changed: { [unowned self] in told.append($0) })
            // The first look, at once: nothing has changed since the stamps.
            loop.turnWhileBusy()
            #expect(told.isEmpty)
        }

        /// Turns until something was told, and returns all of it.
        func hear() -> Set<Int> {
            loop.turn(until: { !told.isEmpty })
            loop.turnWhileBusy()
            defer { told = [] }
            return told.reduce(into: []) { $0.formUnion($1) }
        }
    }

    @Test func aFileThatIsReplacedOrWrittenInPlace() throws {
        let scene = try Scene()
        try scene.write("a", "1")
        try scene.write("b", "1")
        try scene.start([.file(scene.path("a")), .file(scene.path("b"))])
        try scene.write("a", "2")
        #expect(scene.hear() == [0])
        try scene.append("b", "2")
        #expect(scene.hear() == [1])
        #expect(chmod(scene.path("a"), 0o400) == 0)
        #expect(scene.hear() == [0])
        // Of other files in the folder nothing is told.
        try scene.write("c", "1")
        try scene.write("b", "3")
        #expect(scene.hear() == [1])
        #expect(scene.watch?.folderCount == 1)
    }

    @Test func linksOnTheWay() throws {
        let scene = try Scene()
        for version in ["v1", "v2", "v3"] {
            try Folder.make(scene.path(version))
            try scene.write("\(version)/a", version)
        }
        scene.link("data", to: "v1")
        scene.link("a", to: "data/a")
        try scene.start([.file(scene.path("a"))])
        for version in ["v2", "v3"] {
            scene.link("data", to: version)
            #expect(scene.hear() == [0])
            #expect(scene.watch?.folderCount == 2)
        }
        // Where the link pointed before nothing matters any more; where it points now it does.
        try scene.write("v1/a", "x")
        scene.loop.turnWhileBusy()
        #expect(scene.told.isEmpty)
        try scene.write("v3/a", "x")
        #expect(scene.hear() == [0])
        scene.link("a", to: scene.path("v1/a"))
        #expect(scene.hear() == [0])
        try scene.write("v1/a", "y")
        #expect(scene.hear() == [0])
    }

    @Test func linksThatLeadNowhere() throws {
        let scene = try Scene()
        scene.link("round", to: "round")
        scene.link("gone", to: "nothing/here")
        try scene.start([.file(scene.path("round")), .file(scene.path("gone"))])
        try Folder.make(scene.path("nothing"))
        #expect(scene.hear() == [1])
        try scene.write("nothing/here", "1")
        #expect(scene.hear() == [1])
        try scene.write("round", "1")
        #expect(scene.hear() == [0])
    }

    @Test func aFolderThatIsExchanged() throws {
        let scene = try Scene()
        for folder in ["one", "two"] {
            try Folder.make(scene.path(folder))
            try scene.write("\(folder)/a", folder)
        }
        try scene.start([.file(scene.path("one/a"))])
        scene.move("one", to: "old")
        #expect(scene.hear() == [0])
        scene.move("two", to: "one")
        #expect(scene.hear() == [0])
        try scene.write("one/a", "3")
        #expect(scene.hear() == [0])
    }

    @Test func movesIntoAFolder() throws {
        let scene = try Scene()
        try Folder.make(scene.path("in"))
        try scene.write("a", "1")
        try scene.start([.moves(into: scene.path("in")), .file(scene.path("in/f"))])
        // Made there, not moved there.
        try scene.append("in/f", "1")
        #expect(scene.hear() == [1])
        scene.move("a", to: "in/a")
        #expect(scene.hear() == [0])
    }

    @Test func aPollFindsWhatTheKernelDoesNotTell() throws {
        let scene = try Scene()
        for folder in ["one", "two"] {
            try Folder.make(scene.path("\(folder)/deep"))
            try scene.write("\(folder)/deep/a", folder)
        }
        try scene.write("b", "1")
        try scene.start([.file(scene.path("one/deep/a")), .file(scene.path("b"))], poll: .seconds(60))
        scene.move("one", to: "old")
        scene.move("two", to: "one")
        scene.clock.advance(by: .seconds(59))
        scene.loop.turnWhileBusy()
        #expect(scene.told.isEmpty)
        scene.clock.advance(by: .seconds(1))
        #expect(scene.hear() == [0])
        // Watched where it is now.
        try scene.write("one/deep/a", "3")
        #expect(scene.hear() == [0])
        scene.clock.advance(by: .seconds(60))
        scene.loop.turnWhileBusy()
        #expect(scene.told.isEmpty)
    }

    @Test func whatChangedBeforeTheWatchIsTold() throws {
        let scene = try Scene()
        try scene.write("a", "1")
        let path = scene.path("a")
        let stamp = FileStamp(path)
        try scene.write("a", "2")
        var told: [Set<Int>] = []
        let watch = try FileWatch(
            [(.file(path), stamp)], loop: scene.loop, pollInterval: nil, blind: { _ in }, changed: { told.append($0) })
        #expect(told.isEmpty)
        scene.loop.turnWhileBusy()
        #expect(told == [[0]])
        watch.close()
        try scene.write("a", "3")
        scene.loop.turnWhileBusy()
        #expect(told == [[0]])
        #expect(scene.loop.registeredCount == 1)
    }

    @Test func aFolderThatMayNotBeWatchedIsToldOnce() throws {
        let scene = try Scene()
        // Of a file that stands where a folder should be the kernel says so.
        try scene.write("a", "1")
        try scene.start([.moves(into: scene.path("a"))], poll: .seconds(1))
        scene.clock.advance(by: .seconds(1))
        scene.loop.turnWhileBusy()
        #expect(scene.blind.map(\.folder) == [scene.path("a")])
        #expect(scene.blind.first?.error.code == ENOTDIR)
    }
}
