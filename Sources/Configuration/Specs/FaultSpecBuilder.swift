// Injected faults.
import DataPlane
import EnvoyAPI
import Reactor

struct FaultSpecBuilder {
    let context: SpecContext

    func fault(_ filter: API.HTTPFault, _ path: FieldPath) -> HTTPFaultSpec {
        var spec = HTTPFaultSpec()
        if filter.hasDelay { spec.delay = delay(filter.delay) }
        if filter.hasAbort { spec.abort = abort(filter.abort) }
        spec.upstreamCluster = filter.upstreamCluster
        spec.headers = RouteMatchSpecBuilder(context: context).headers(filter.headers, path.field("headers"))
        spec.downstreamNodes = filter.downstreamNodes
        if filter.hasMaxActiveFaults { spec.maxActiveFaults = UInt64(filter.maxActiveFaults.value) }
        spec.countsDownstreamClusters = !filter.disableDownstreamClusterStats
        keys(filter, into: &spec.keys)
        return spec
    }

    private func delay(_ delay: API.FaultDelay) -> HTTPFaultSpec.Delay? {
        let share = context.fraction(delay.percentage)
        switch delay.faultDelaySecifier {
        case .fixedDelay(let time)?: return .init(time: context.amount(time), share: share)
        case .headerDelay?: return .init(time: nil, share: share)
        case nil: return nil
        }
    }

    private func abort(_ abort: API.FaultAbort) -> HTTPFaultSpec.Abort? {
        let share = context.fraction(abort.percentage)
        switch abort.errorType {
        case .httpStatus(let status)?: return .init(status: .http(Int(status)), share: share)
        case .grpcStatus(let status)?: return .init(status: .grpc(status), share: share)
        case .headerAbort?: return .init(status: .header, share: share)
        case nil: return nil
        }
    }

    private func keys(_ filter: API.HTTPFault, into keys: inout HTTPFaultSpec.Keys) {
        func set(_ key: inout String, _ name: String) {
            if !name.isEmpty { key = name }
        }
        set(&keys.delayPercent, filter.delayPercentRuntime)
        set(&keys.delayDuration, filter.delayDurationRuntime)
        set(&keys.abortPercent, filter.abortPercentRuntime)
        set(&keys.abortHTTPStatus, filter.abortHTTPStatusRuntime)
        set(&keys.abortGRPCStatus, filter.abortGrpcStatusRuntime)
        set(&keys.maxActiveFaults, filter.maxActiveFaultsRuntime)
        for key in keys.all + context.runtime.values.keys.filter({ HTTPFaultSpec.Keys.cluster(of: $0) != nil }) {
            context.use(runtimeKey: key)
        }
    }
}
