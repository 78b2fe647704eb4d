// What cgroups grant: version 1, version 2 and both, from a tree of the test's own.
import Testing

@testable import Sidecar

@Suite struct CgroupLimitsTests {
    private func limits(_ files: [String: String]) -> CgroupLimits { CgroupLimits { files[$0] } }

    @Test func version2() {
        let found = limits([
            "/proc/self/cgroup": "0::/pod/app\n",
            "/sys/fs/cgroup/pod/app/cpu.max": "max 100000\n",
            "/sys/fs/cgroup/pod/cpu.max": "150000 100000\n",
            "/sys/fs/cgroup/pod/app/memory.max": "536870912\n",
            "/sys/fs/cgroup/pod/memory.max": "max\n",
        ])
        #expect(found.cpus == 1.5)
        #expect(found.memory == 512 << 20)
    }

    @Test func version1() {
        let found = limits([
            "/proc/self/cgroup": "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/\n",
            // As in a container: its own group is the root of the mount.
            "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n",
        ])
        #expect(found.cpus == 0.5)
        #expect(found.memory == 256 << 20)
    }

    @Test func noLimits() {
        let found = limits([
            "/proc/self/cgroup": "5:memory:/\n4:cpu:/\n",
            "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        ])
        #expect(found.cpus == nil && found.memory == nil)
        #expect(limits([:]).cpus == nil && limits([:]).memory == nil)
    }

    @Test(arguments: ["", "x", "100000", "0 0", "1 0", "-1 100000", "nan nan"])
    func nonsenseIsNoLimit(text: String) {
        let found = limits([
            "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/cpu.max": text, "/sys/fs/cgroup/a/memory.max": "-5",
        ])
        #expect(found.cpus == nil && found.memory == nil)
    }

    @Test(arguments: [(1, nil, 1), (8, nil, 2), (8, 0.5, 1), (8, 1.5, 2), (1, 4, 1)] as [(Int, Double?, Int)])
    func workers(affinity: Int, quota: Double?, count: Int) {
        #expect(CPUBudget(affinity: affinity, quota: quota).workers(limit: 2) == count)
    }

    @Test func affinity() {
        #expect(CPUBudget.allowedCPUs(inStatus: "x: y\nCpus_allowed_list:\t0-3,8\n") == 5)
        #expect(CPUBudget.allowedCPUs(inStatus: "Cpus_allowed_list:\t3-1\n") == nil)
        #expect(CPUBudget.allowedCPUs(inStatus: "") == nil)
    }
}
