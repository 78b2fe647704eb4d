// HTTP/2 settings of clusters and connection managers.
import DataPlane
import Reactor
import Testing

@testable import Configuration

@Suite struct HTTP2Tests {
    private static let key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

    private func http(_ options: String) throws -> UpstreamHTTPSpec {
        let fields =
            "typed_extension_protocol_options: {\(HTTP2Tests.key): "
            + "{\"@type\": type.googleapis.com/\(HTTP2Tests.key), \(options)}}"
        return try #require(try loaded(cluster(fields)).spec.clusters.first).http
    }

    @Test func theProtocolIsAsWritten() throws {
        #expect(try http("explicit_http_config: {http_protocol_options: {}}").protocol == .http1)
        #expect(try http("explicit_http_config: {http2_protocol_options: {}}").protocol == .http2)
        #expect(try http("use_downstream_protocol_config: {}").protocol == .sameAsDownstream)
        let spec = try #require(try loaded(cluster("http2_protocol_options: {}")).spec.clusters.first)
        #expect(spec.http.protocol == .http2 && spec.http.http2 == HTTP2OptionsSpec())
    }

    @Test func everyOptionIsTaken() throws {
        var expected = HTTP2OptionsSpec()
        expected.hpackTableSize = 1
        expected.maxConcurrentStreams = 2
        expected.initialStreamWindow = 65536
        expected.initialConnectionWindow = 65537
        expected.allowConnect = true
        expected.maxOutboundFrames = 3
        expected.maxOutboundControlFrames = 4
        expected.maxConsecutiveEmptyFrames = 5
        expected.maxPriorityFramesPerStream = 6
        expected.maxWindowUpdatesPerDataFrame = 7
        expected.streamErrorOnInvalidMessage = true
        expected.customSettings = [.init(identifier: 100, value: 8)]
        var keepalive = HTTP2KeepaliveSpec(timeout: .seconds(1))
        keepalive.interval = .seconds(2)
        keepalive.jitterPercent = 50
        keepalive.idleInterval = .seconds(3)
        expected.keepalive = keepalive
        let found = try http(
            """
            explicit_http_config: {http2_protocol_options: {hpack_table_size: 1, max_concurrent_streams: 2,
              initial_stream_window_size: 65536, initial_connection_window_size: 65537, allow_connect: true,
              max_outbound_frames: 3, max_outbound_control_frames: 4,
              max_consecutive_inbound_frames_with_empty_payload: 5, max_inbound_priority_frames_per_stream: 6,
              max_inbound_window_update_frames_per_data_frame_sent: 7,
              override_stream_error_on_invalid_http_message: true,
              custom_settings_parameters: [{identifier: 100, value: 8}],
              connection_keepalive: {timeout: 1s, interval: 2s, interval_jitter: {value: 50},
                connection_idle_interval: 3s}}}
            """)
        #expect(found.http2 == expected)
    }

    @Test(arguments: [
        (
            "explicit_http_config: {http2_protocol_options: {custom_settings_parameters: [{identifier: 3, value: 1}]}}",
            "3 is the setting of max_concurrent_streams; set it there"
        ),
        (
            "explicit_http_config: {http2_protocol_options: {custom_settings_parameters: [{identifier: 2, value: 1}]}}",
            "2 cannot be changed: it says what Outrider itself can take"
        ),
        ("auto_config: {}", "ALPN chooses the protocol, and the cluster has no TLS transport_socket"),
        ("explicit_http_config: {http2_protocol_options: {max_concurrent_streams: 0}}", "must be at least 1"),
    ])
    func namesWhatIsWrong(options: String, expected: String) {
        #expect { try http(options) } throws: { "\($0)".contains(expected) }
    }
}
