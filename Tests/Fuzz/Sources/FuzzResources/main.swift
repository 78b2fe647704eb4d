// Fuzzes the reader of resources: from the bytes of a control plane to checked specs.
//
// An input is a digit for the kind of resource, and its message in protobuf's wire format. Nothing may crash; what is taken
// is canonical, and every problem names the place that the resource is from. Resources that name devices are left out:
// reading one may never end.
import CFuzzer
import Configuration
import Glibc

private let bootstrap = """
    node: {id: n, cluster: c}
    static_resources: {clusters: [{name: cp, type: STATIC}]}
    dynamic_resources: {ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: cp}}]}}
    """

nonisolated(unsafe) private let reader: ResourceReader = {
    do throws(ConfigurationErrors) {
        return ResourceReader(try ConfigurationLoader.load(text: Array(bootstrap.utf8), name: "f"))
    } catch {
        fatalError("the bootstrap is refused: \(error)")
    }
}()

private let types = [
    "envoy.config.cluster.v3.Cluster", "envoy.config.listener.v3.Listener",
    "envoy.config.route.v3.RouteConfiguration", "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "envoy.extensions.transport_sockets.tls.v3.Secret",
]

/// The canonical bytes of a resource.
private func canonical(_ kind: Int, _ bytes: [UInt8]) throws(ConfigurationErrors) -> [UInt8] {
    let resource = ResourceBytes(typeURL: "type.googleapis.com/" + types[kind], bytes: bytes, place: "here")
    switch kind {
    case 0: return try reader.cluster(resource).bytes
    case 1: return try reader.listener(resource).bytes
    case 2: return try reader.routes(resource).bytes
    case 3: return try reader.endpoints(resource).bytes
    default: return try reader.secret(resource).bytes
    }
}

func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let input = Array(UnsafeBufferPointer(start: data, count: size))
    guard let first = input.first, types.indices.contains(Int(first) - 0x30) else { return -1 }
    let lowercased = String(decoding: input, as: UTF8.self).lowercased()
    if ["/dev", "/proc", "/sys"].contains(where: { lowercased.contains($0) }) { return -1 }
    let kind = Int(first) - 0x30
    do throws(ConfigurationErrors) {
        let bytes = try canonical(kind, Array(input.dropFirst()))
        do throws(ConfigurationErrors) {
            if try canonical(kind, bytes) != bytes { fatalError("canonical bytes are not canonical") }
        } catch {
            fatalError("canonical bytes are refused: \(error)")
        }
    } catch {
        if error.issues.isEmpty { fatalError("refused without a reason") }
        for issue in error.issues where !issue.source.hasPrefix("here") || issue.description.contains("\n") {
            fatalError("a problem without its place: \(issue)")
        }
    }
    return 0
}

var argumentCount = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(LLVMFuzzerRunDriver(&argumentCount, &arguments, fuzz))
