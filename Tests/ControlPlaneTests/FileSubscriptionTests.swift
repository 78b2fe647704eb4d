// Resources from files that change.
import DataPlane
import Glibc
import Reactor
import TestKit
import Testing

@testable import ControlPlane

@Suite final class FileSubscriptionTests {
    let folder: String
    var reads = 0

    init() throws {
        var template = Array("/tmp/outrider-xds-XXXXXX".utf8CString)
        folder = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit { try? Folder.remove(folder) }

    private func write(_ text: String, _ name: String = "eds.yaml") throws {
        try FileContents.write(Array(text.utf8), to: "\(folder)/\(name)")
    }

    /// "version a b": a file of the test's own kind, with names of resources.
    private func makeRig() throws -> ControlPlaneRig {
        try ControlPlaneRig { [unowned self] path, type in
            reads += 1
            guard let bytes = try? FileContents.read(path) else { return .failure(.init("cannot be read")) }
            let words = String(decoding: bytes, as: UTF8.self).split(separator: " ").map(String.init)
            guard let version = words.first, version != "bad" else { return .failure(.init("is no good")) }
            return .success(
                .init(
                    version: version,
                    resources: words.dropFirst().map {
                        DiscoveredResource(
                            name: $0, version: version, typeURL: $0 == "alien" ? "alien" : type.typeURL, bytes: [])
                    }))
        }
    }

    private func source(watched: WatchedPlace? = nil) -> ConfigSourceSpec {
        let path = "\(folder)/eds.yaml"
        return ConfigSourceSpec(.file(path: path, watched: watched ?? .file(path)))
    }

    /// Waits for the kernel to tell, and lets the quiet time pass.
    private func settle(_ rig: ControlPlaneRig, until condition: () -> Bool) -> Bool {
        rig.loop.turn(until: {
            rig.clock.advance(by: .milliseconds(20))
            return condition()
        })
    }

    @Test func aFileIsReadAtOnceAndWhenItChanges() throws {
        try write("1 a b c")
        let rig = try makeRig()
        let (one, all) = (RecordingWatcher(), RecordingWatcher())
        rig.subscribe(.endpoints, "a", source: source(), prefix: "one.", watcher: one)
        rig.subscribe(.endpoints, source: source(), prefix: "all.", watcher: all)
        #expect(one.updates.isEmpty, "not before the subscription is known")
        rig.turn()
        #expect(one.taken() == ["+a@1 v=1 whole"])
        #expect(all.taken() == ["+a@1,b@1,c@1 v=1 whole"])
        reads = 0
        try write("2 b")
        #expect(settle(rig) { !all.updates.isEmpty })
        #expect(all.taken() == ["+b@2 v=2 whole"])
        #expect(one.taken() == ["v=2 whole"], "a is not there any more")
        #expect(reads == 1, "once for all who have it")
        #expect(rig.stat("one.update_attempt") == 2)
        #expect(rig.stat("one.update_success") == 2)
    }

    @Test func allFilesAreReadWhenSomebodyAsks() throws {
        let rig = try makeRig()
        #expect(rig.manager.lookAtFiles() == 0)
        try write("1 a")
        let (one, two) = (RecordingWatcher(), RecordingWatcher())
        rig.subscribe(.endpoints, "a", source: source(), watcher: one)
        rig.subscribe(.endpoints, "b", source: source(), watcher: two)
        rig.turn()
        reads = 0
        #expect(rig.manager.lookAtFiles() == 1)
        #expect(reads == 1)
        #expect(one.taken() == ["+a@1 v=1 whole", "+a@1 v=1 whole"])
    }

    /// What it is for, its watcher knows.
    @Test func oneOfAnotherTypeIsHandedOn() throws {
        try write("1 alien b")
        let rig = try makeRig()
        let watcher = RecordingWatcher()
        rig.subscribe(.endpoints, "a", source: source(), watcher: watcher)
        rig.turn()
        #expect(watcher.taken() == ["+alien@1 v=1 whole"])
    }

    @Test func whatIsNoGoodChangesNothing() throws {
        let rig = try makeRig()
        let watcher = RecordingWatcher()
        rig.subscribe(.endpoints, "a", source: source(), watcher: watcher)
        rig.turn()
        #expect(watcher.missing == 1, "there is no file yet")
        #expect(rig.stat("sub.update_failure") == 1)
        try write("1 a")
        #expect(settle(rig) { watcher.updates.count == 1 })
        try write("bad")
        #expect(settle(rig) { rig.stat("sub.update_failure") == 2 })
        watcher.problem = "a: no good"
        try write("2 a")
        #expect(settle(rig) { rig.stat("sub.update_rejected") == 1 })
        watcher.problem = nil
        try write("3 a")
        #expect(settle(rig) { rig.stat("sub.update_success") == 2 })
        #expect(watcher.taken() == ["+a@1 v=1 whole", "+a@2 v=2 whole", "+a@3 v=3 whole"])
        #expect(watcher.missing == 1)
    }

    @Test func aWatchedFolderDecidesAlone() throws {
        mkdir("\(folder)/..data", 0o700)
        defer { try? Folder.remove("\(folder)/..data") }
        try write("1 a")
        let rig = try makeRig()
        let watcher = RecordingWatcher()
        rig.subscribe(.endpoints, source: source(watched: .moves(into: "\(folder)/..data")), watcher: watcher)
        rig.turn()
        try write("2 a")
        rig.advance(.milliseconds(500))
        try write("x", "moved")
        rename("\(folder)/moved", "\(folder)/..data/moved")
        #expect(settle(rig) { watcher.updates.count == 2 })
        #expect(watcher.taken() == ["+a@1 v=1 whole", "+a@2 v=2 whole"])
    }

    @Test func aClosedSubscriptionIsLeftAlone() throws {
        try write("1 a")
        let rig = try makeRig()
        let (watcher, other) = (RecordingWatcher(), RecordingWatcher())
        rig.subscribe(.endpoints, source: source(), watcher: watcher).close()
        rig.subscribe(.endpoints, source: source(), watcher: other)
        rig.turn()
        #expect(other.taken().count == 1)
        #expect(watcher.taken() == [])
    }
}
