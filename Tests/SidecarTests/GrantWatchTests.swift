// A pod that is resized while the process runs.
import Synchronization
import Testing

@testable import Sidecar

@Suite struct GrantWatchTests {
    private final class Tree: Sendable {
        private let files: Mutex<[String: String]>

        init(cpu: String, memory: String) {
            files = Mutex([
                "/proc/self/cgroup": "0::/pod\n", "/proc/self/status": "Cpus_allowed_list:\t0-7\n",
                "/sys/fs/cgroup/pod/cpu.max": cpu, "/sys/fs/cgroup/pod/memory.max": memory,
            ])
        }

        func set(_ name: String, _ text: String) { files.withLock { $0["/sys/fs/cgroup/pod/" + name] = text } }
        var limits: CgroupLimits { CgroupLimits { path in self.files.withLock { $0[path] } } }
    }

    @Test func saysWhatHasChangedOnce() {
        let tree = Tree(cpu: "50000 100000", memory: "268435456")
        let watch = GrantWatch(tree.limits, workers: 1, workerLimit: 2)
        #expect(watch.look() == [] && watch.memory == 256 << 20)
        tree.set("cpu.max", "200000 100000")
        tree.set("memory.max", "536870912")
        #expect(
            watch.look() == [
                "CPUs: now 8 CPUs in the affinity mask, cgroup quota of 2.0 CPUs; before: 8 CPUs in the affinity mask, "
                    + "cgroup quota of 0.5 CPUs; a process that starts now would have 2 workers, this one has 1 until it "
                    + "is restarted", "memory limit of the cgroup: now 512 MiB, before 256 MiB",
            ])
        #expect(watch.look() == [] && watch.memory == 512 << 20)
        tree.set("memory.max", "max")
        #expect(watch.look() == ["memory limit of the cgroup: now none, before 512 MiB"])
    }

    @Test func aChangeMayMeanNothingForWorkers() throws {
        let tree = Tree(cpu: "150000 100000", memory: "max")
        let watch = GrantWatch(tree.limits, workers: 2, workerLimit: 2)
        tree.set("cpu.max", "max 100000")
        #expect(try #require(watch.look().first).hasSuffix("; the number of workers stays 2"))
        let given = GrantWatch(tree.limits, workers: 5, workerLimit: nil)
        tree.set("cpu.max", "50000 100000")
        #expect(try #require(given.look().first).hasSuffix("; --concurrency says 5"))
    }
}
