// What Outrider does beyond Envoy, and the runtime keys that turn each of it off.
import DataPlane
import Reactor

/// A behaviour that Envoy does not have. All are on; `false` under the key in a static layer of `layered_runtime` turns
/// one off. Envoy reads such a layer too and leaves keys alone that it does not know, so that the file stays good for
/// both. docs/beyond-envoy.md tells what each does.
enum RuntimeSwitch: String, CaseIterable {
    case replaceStaleConnections = "outrider.upstream.replace_stale_connections"
    case replayRefusedStreams = "outrider.upstream.replay_refused_streams"
    case peekBeforeReuse = "outrider.upstream.peek_before_reuse"
    case learnIdleTimeout = "outrider.upstream.learn_idle_timeout"
    case detectDeadPeers = "outrider.upstream.detect_dead_peers"
    case refuseLoops = "outrider.upstream.refuse_loops"
    case askServersThatSpeakFirst = "outrider.listener.server_first"
    case keepRetriesWithinDeadline = "outrider.retry.keep_within_deadline"
    case defaultRetryBudget = "outrider.retry.default_budget"
    case reloadTLSFiles = "outrider.tls.reload_files"
    case takeOverTLSRecords = "outrider.tls.take_over_records"
    case reloadKeySets = "outrider.jwt.reload_files"

    /// The keys that are Outrider's own.
    static let prefix = "outrider."
}

/// A limit that Envoy does not have, under a key of its own; 0: no limit.
enum RuntimeLimit: String, CaseIterable {
    case maxOriginalDestinationHosts = "outrider.upstream.max_original_dst_hosts"
    case maxSubsets = "outrider.upstream.max_subsets"
    case maxHandshakeMilliseconds = "outrider.listener.max_tls_handshake_ms"
    case maxResponseMebibytes = "outrider.control_plane.max_response_mib"
    case maxResources = "outrider.control_plane.max_resources"
    case maxSeries = "outrider.stats.max_series"
    case maxTraceBufferKibibytes = "outrider.tracing.max_buffer_kib"
}

/// How often something is done, in seconds, under a key of its own; 0: never.
enum RuntimeInterval: String, CaseIterable {
    case tlsFilePoll = "outrider.tls.poll_files_seconds"
}

/// Ports, under a key of their own: `25` or `"25, 3306"`.
enum RuntimePorts: String, CaseIterable {
    case serverFirst = "outrider.listener.server_first_ports"

    /// nil where a value is no list of ports.
    static func parse(_ value: RuntimeSpec.Value) -> Set<UInt16>? {
        switch value {
        case .number(let number): return UInt16(exactly: number).flatMap { $0 > 0 ? [$0] : nil }
        case .text(let text):
            var ports: Set<UInt16> = []
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                let digits = part.drop { $0 == " " }
                guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = UInt16(digits), port > 0
                else { return nil }
                ports.insert(port)
            }
            return ports
        case .fraction: return nil
        }
    }
}

extension SpecContext {
    /// The ports that the file lists under a key; none where it has no such key.
    func ports(_ key: RuntimePorts) -> Set<UInt16> {
        use(runtimeKey: key.rawValue)
        return runtime.values[key.rawValue].flatMap(RuntimePorts.parse) ?? []
    }

    /// A limit as the file sets it, or else the default.
    func number(_ limit: RuntimeLimit, default standard: Int) -> Int {
        // What the file has was checked and may be wrong all the same.
        Int(min(max(number(Double(standard), runtimeKey: limit.rawValue), 0), Double(UInt32.max)))
    }

    /// What a control plane may send.
    func controlPlaneLimits() -> ControlPlaneLimitsSpec {
        var limits = ControlPlaneLimitsSpec()
        let mebibytes = number(.maxResponseMebibytes, default: limits.maxResponseBytes >> 20)
        // A message's length has 32 bits in gRPC: beyond these there is nothing to limit.
        limits.maxResponseBytes = mebibytes < 4096 ? mebibytes << 20 : 0
        limits.maxResources = number(.maxResources, default: limits.maxResources)
        return limits
    }

    /// An interval as the file sets it, or else the default; nil: never.
    func interval(_ interval: RuntimeInterval, default standard: TimeAmount) -> TimeAmount? {
        let seconds = count(Int(standard.seconds), runtimeKey: interval.rawValue)
        return seconds > 0 ? .seconds(Int64(seconds)) : nil
    }

    /// Whether the file leaves a behaviour on.
    func isOn(_ feature: RuntimeSwitch) -> Bool {
        use(runtimeKey: feature.rawValue)
        return runtime.values[feature.rawValue] != .text("false")
    }

    /// Notes what is wrong with the keys that begin with `outrider.`; `place` tells where a key stands.
    func checkSwitches(place: (String) -> FieldPath) {
        for (key, value) in runtime.values.sorted(by: { $0.key < $1.key }) where key.hasPrefix(RuntimeSwitch.prefix) {
            if RuntimeLimit(rawValue: key) != nil {
                checkLimit(value, place(key))
                continue
            }
            if RuntimeInterval(rawValue: key) != nil {
                checkInterval(value, place(key))
                continue
            }
            if let room = RuntimeRoom(rawValue: key) {
                checkRoom(room, value, place(key))
                continue
            }
            if let admin = AdminKey(rawValue: key) {
                if let problem = admin.problem(value) { bad(place(key), problem) }
                continue
            }
            if RuntimePorts(rawValue: key) != nil {
                if RuntimePorts.parse(value) == nil { bad(place(key), "must be ports, as in \"25, 3306\"") }
                continue
            }
            guard RuntimeSwitch(rawValue: key) != nil else {
                let known =
                    RuntimeSwitch.allCases.map(\.rawValue) + RuntimeLimit.allCases.map(\.rawValue)
                    + RuntimeInterval.allCases.map(\.rawValue) + RuntimeRoom.allCases.map(\.rawValue)
                    + AdminKey.allCases.map(\.rawValue) + RuntimePorts.allCases.map(\.rawValue)
                bad(
                    place(key),
                    "Outrider has no runtime key \(quotedForMessage(key))" + Suggestion.clause(for: key, among: known))
                continue
            }
            if value != .text("true"), value != .text("false") { bad(place(key), "must be true or false") }
        }
    }

    private func checkInterval(_ value: RuntimeSpec.Value, _ path: FieldPath) {
        if case .number(let number) = value, (0...86_400).contains(number), number == number.rounded() { return }
        bad(path, "must be whole seconds from 0 to 86400; 0 is never")
    }

    private func checkLimit(_ value: RuntimeSpec.Value, _ path: FieldPath) {
        if case .number(let number) = value, UInt32(exactly: number) != nil { return }
        bad(path, "must be a whole number from 0 to \(UInt32.max); 0 is no limit")
    }
}
