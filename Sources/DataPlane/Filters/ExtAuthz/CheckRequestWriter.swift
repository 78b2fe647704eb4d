// The question that a gRPC authorization service is asked: `envoy.service.auth.v3.CheckRequest`.
import HTTPWire
import Reactor

/// Tells a service all that the configuration lets it know of a request.
struct CheckRequestWriter {
    let spec: ExtAuthzSpec
    let headers: AuthorizationHeaders
    let contextExtensions: [(key: FixedBytes, value: FixedBytes)]

    /// - Parameter body: what is to be seen of it; nil: it is none of the service's business.
    func question(_ stream: HTTPStream, body: AuthorizationBody?) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.append(1) { attributes in
            writePeers(stream, &attributes)
            attributes.append(4) { request in
                let start = stream.info.startWall
                request.append(1) { time in
                    time.append(1, UInt64(max(0, start.unixSeconds)))
                    time.append(2, UInt64(max(0, start.nanosecondOfSecond)))
                }
                request.append(2) { write(stream, body, &$0) }
            }
            for (key, value) in contextExtensions { attributes.append(10, key: key.view, text: value.view) }
            // Envoy has these two messages even where there is nothing to say.
            attributes.append(11) { _ in }
            attributes.append(13) { _ in }
            if spec.includesTLSSession {
                attributes.append(12) { $0.append(1, stream.info.downstream?.tls?.serverName ?? "") }
            }
        }
        return writer.bytes
    }

    private func write(_ stream: HTTPStream, _ body: AuthorizationBody?, _ http: inout ProtobufWriter) {
        let request = stream.requestHeaders
        http.append(1, String(stream.core.random.next()))
        http.append(2, text: request.method)
        headers.forEach(request) { name, value in http.append(3, key: name, text: value) }
        if let body {
            http.append(3, key: ByteView(AuthorizationBody.markName), text: ByteView(body.mark))
        }
        http.append(4, text: request.path)
        http.append(5, text: request.authority)
        http.append(6, text: request.scheme)
        http.append(9, stream.info.bytesReceived)
        if let version = stream.info.httpVersion { http.append(10, ByteView(version.text)) }
        guard let body else { return }
        body.bytes.withUnsafeBytes { bytes in
            if spec.body?.isBinary == true {
                http.append(12, ByteView(bytes))
            } else {
                http.append(11, text: ByteView(bytes))
            }
        }
    }

    private func writePeers(_ stream: HTTPStream, _ attributes: inout ProtobufWriter) {
        guard let downstream = stream.info.downstream else { return }
        attributes.append(1) { source in
            write(downstream.remoteAddress, &source)
            if let service = stream.requestHeaders.value(.xEnvoyDownstreamServiceCluster) {
                source.append(2, text: service)
            }
            source.append(4, CheckRequestWriter.principal(downstream.tls?.peer))
            if spec.includesPeerCertificate, let peer = downstream.tls?.peer { source.append(5, peer.urlEncodedPEM) }
        }
        attributes.append(2) { destination in
            write(downstream.localAddress, &destination)
            destination.append(4, CheckRequestWriter.principal(downstream.tls?.local))
        }
    }

    private func write(_ address: SocketAddress, _ peer: inout ProtobufWriter) {
        peer.append(1) { wrapper in
            if let ip = address.ip {
                wrapper.append(1) { socket in
                    socket.append(2, "\(ip)")
                    socket.append(3, UInt64(address.port))
                }
            } else {
                wrapper.append(2) { $0.append(1, "\(address)") }
            }
        }
    }

    /// Who a certificate is of, in Envoy's order of preference.
    private static func principal(_ certificate: TLSCertificate?) -> String {
        guard let certificate else { return "" }
        return certificate.uriNames.first ?? certificate.dnsNames.first ?? certificate.subject
    }
}
