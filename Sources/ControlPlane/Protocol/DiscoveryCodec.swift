// Requests and responses as bytes: the protocol's messages, and what of them counts.
import DataPlane
import EnvoyAPI
import FoundationEssentials
import Reactor
import SwiftProtobuf

/// Reads and writes the messages of one variant of the protocol.
struct DiscoveryCodec {
    let isDelta: Bool
    let node: Envoy_Config_Core_V3_Node
    /// Resources of a response, at most; 0: no limit.
    let maxResources: Int

    /// Why a response cannot be read.
    enum Failure: Error, Equatable {
        case malformed(String)
        /// It has too many resources: whose response it is can be told nevertheless.
        case tooMany(DiscoveryReply, count: Int)
    }

    // MARK: - Requests

    /// `withNode`: the request says who we are.
    func encode(_ ask: DiscoveryAsk, withNode: Bool) -> [UInt8] {
        // These messages have no required field and no depth that could not be written.
        let bytes: [UInt8]? =
            isDelta ? try? delta(ask, withNode).serializedBytes() : try? whole(ask, withNode).serializedBytes()
        return bytes ?? []
    }

    private func whole(_ ask: DiscoveryAsk, _ withNode: Bool) -> Envoy_Service_Discovery_V3_DiscoveryRequest {
        var request = Envoy_Service_Discovery_V3_DiscoveryRequest()
        if withNode { request.node = node }
        request.versionInfo = ask.version
        request.resourceNames = ask.names
        request.typeURL = ask.typeURL
        request.responseNonce = ask.nonce
        if let error = ask.error { request.errorDetail = Self.status(error) }
        return request
    }

    private func delta(_ ask: DiscoveryAsk, _ withNode: Bool) -> Envoy_Service_Discovery_V3_DeltaDiscoveryRequest {
        var request = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest()
        if withNode { request.node = node }
        request.typeURL = ask.typeURL
        request.resourceNamesSubscribe = ask.subscribe
        request.resourceNamesUnsubscribe = ask.unsubscribe
        request.initialResourceVersions = ask.initialVersions
        request.responseNonce = ask.nonce
        if let error = ask.error { request.errorDetail = Self.status(error) }
        return request
    }

    /// INTERNAL, as Envoy says it. Servers put the text into their logs: it is kept to a length that they take.
    private static func status(_ text: String) -> Google_Rpc_Status {
        var status = Google_Rpc_Status()
        status.code = 13
        status.message = PeerText.clean(text, keepsLines: true)
        return status
    }

    // MARK: - Responses

    func decode(_ message: [UInt8]) throws(Failure) -> DiscoveryReply {
        // Empty entries of two bytes each become objects of many: they are counted before there are any.
        guard let counts = ProtobufFields.count(message, of: [2, 6]) else {
            throw .malformed("it is no protobuf message")
        }
        let count = isDelta ? counts[0] + counts[1] : counts[0]
        let isTooMany = maxResources > 0 && count > maxResources
        let bytes = isTooMany ? ProtobufFields.removing(isDelta ? [2, 6] : [2], from: message) : message
        var reply: DiscoveryReply
        do {
            reply = isDelta ? try decodeDelta(bytes) : try decodeWhole(bytes)
        } catch {
            throw .malformed("\(error)")
        }
        if isTooMany {
            reply.resources = []
            throw .tooMany(reply, count: count)
        }
        return reply
    }

    private func decodeWhole(_ bytes: [UInt8]) throws -> DiscoveryReply {
        let message = try Envoy_Service_Discovery_V3_DiscoveryResponse(serializedBytes: bytes)
        var reply = DiscoveryReply()
        reply.typeURL = message.typeURL
        reply.nonce = message.nonce
        reply.version = message.versionInfo
        reply.identifier = message.hasControlPlane ? message.controlPlane.identifier : nil
        reply.serverErrors = message.resourceErrors.count
        reply.resources = try message.resources.map { any in
            if any.typeURL == Self.wrapperURL {
                return Self.resource(try Envoy_Service_Discovery_V3_Resource(serializedBytes: any.value))
            }
            var resource = DiscoveryReply.Resource()
            resource.set(any)
            resource.name = ProtobufFields.name(resource.bytes)
            resource.version = message.versionInfo
            return resource
        }
        return reply
    }

    private static let wrapperURL = envoyTypeURLPrefix + Envoy_Service_Discovery_V3_Resource.protoMessageName

    private func decodeDelta(_ bytes: [UInt8]) throws -> DiscoveryReply {
        let message = try Envoy_Service_Discovery_V3_DeltaDiscoveryResponse(serializedBytes: bytes)
        var reply = DiscoveryReply()
        reply.typeURL = message.typeURL
        reply.nonce = message.nonce
        reply.version = message.systemVersionInfo
        reply.identifier = message.hasControlPlane ? message.controlPlane.identifier : nil
        reply.serverErrors = message.resourceErrors.count
        reply.removed = message.removedResources
        reply.resources = message.resources.map(Self.resource)
        return reply
    }

    private static func resource(_ wrapper: Envoy_Service_Discovery_V3_Resource) -> DiscoveryReply.Resource {
        var resource = DiscoveryReply.Resource()
        if wrapper.hasResource { resource.set(wrapper.resource) }
        resource.name = wrapper.name.isEmpty ? ProtobufFields.name(resource.bytes) : wrapper.name
        resource.version = wrapper.version
        resource.aliases = wrapper.aliases
        if wrapper.hasTtl {
            resource.ttl = .seconds(wrapper.ttl.seconds) + .nanoseconds(Int64(wrapper.ttl.nanos))
        }
        return resource
    }
}

extension DiscoveryReply.Resource {
    fileprivate mutating func set(_ any: Google_Protobuf_Any) {
        typeURL = any.typeURL
        bytes = Array(any.value)
    }
}
