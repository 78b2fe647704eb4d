// HTTP/2 settings of a connection manager or a cluster.
import DataPlane
import EnvoyAPI
import Reactor

extension SpecContext {
    /// `streamError`: what holds where the options do not override it.
    func http2(
        _ options: Envoy_Config_Core_V3_Http2ProtocolOptions, streamError: Bool, _ path: FieldPath
    ) -> HTTP2OptionsSpec {
        var spec = HTTP2OptionsSpec()
        if options.hasHpackTableSize { spec.hpackTableSize = options.hpackTableSize.value }
        if options.hasMaxConcurrentStreams { spec.maxConcurrentStreams = options.maxConcurrentStreams.value }
        if options.hasInitialStreamWindowSize {
            spec.initialStreamWindow = Int32(clamping: options.initialStreamWindowSize.value)
        }
        if options.hasInitialConnectionWindowSize {
            spec.initialConnectionWindow = Int32(clamping: options.initialConnectionWindowSize.value)
        }
        spec.allowConnect = options.allowConnect
        if options.hasMaxOutboundFrames { spec.maxOutboundFrames = options.maxOutboundFrames.value }
        if options.hasMaxOutboundControlFrames {
            spec.maxOutboundControlFrames = options.maxOutboundControlFrames.value
        }
        if options.hasMaxConsecutiveInboundFramesWithEmptyPayload {
            spec.maxConsecutiveEmptyFrames = options.maxConsecutiveInboundFramesWithEmptyPayload.value
        }
        if options.hasMaxInboundPriorityFramesPerStream {
            spec.maxPriorityFramesPerStream = options.maxInboundPriorityFramesPerStream.value
        }
        if options.hasMaxInboundWindowUpdateFramesPerDataFrameSent {
            spec.maxWindowUpdatesPerDataFrame = options.maxInboundWindowUpdateFramesPerDataFrameSent.value
        }
        spec.streamErrorOnInvalidMessage =
            options.hasOverrideStreamErrorOnInvalidHTTPMessage
            ? options.overrideStreamErrorOnInvalidHTTPMessage.value
            : options.streamErrorOnInvalidHTTPMessaging || streamError
        spec.customSettings = customSettings(
            options.customSettingsParameters, path.field("custom_settings_parameters"))
        if options.hasConnectionKeepalive { spec.keepalive = keepalive(options.connectionKeepalive) }
        return spec
    }

    /// SETTINGS that have a field of their own are set there and nowhere else.
    private func customSettings(
        _ parameters: [Envoy_Config_Core_V3_Http2ProtocolOptions.SettingsParameter], _ path: FieldPath
    ) -> [HTTP2OptionsSpec.Setting] {
        let fields: [UInt32: String] = [
            1: "hpack_table_size", 3: "max_concurrent_streams", 4: "initial_stream_window_size", 8: "allow_connect",
        ]
        var seen: Set<UInt32> = []
        return parameters.enumerated().compactMap { index, parameter in
            let identifier = parameter.identifier.value
            let place = path[index].field("identifier")
            if let field = fields[identifier] {
                bad(place, "\(identifier) is the setting of \(field); set it there")
            } else if identifier == 2 || identifier == 5 || identifier == 6 {
                bad(place, "\(identifier) cannot be changed: it says what Outrider itself can take")
            } else if !seen.insert(identifier).inserted {
                duplicate(place, "\(identifier) is in the list twice")
            }
            return UInt16(exactly: identifier).map { .init(identifier: $0, value: parameter.value.value) }
        }
    }

    private func keepalive(_ settings: Envoy_Config_Core_V3_KeepaliveSettings) -> HTTP2KeepaliveSpec {
        var spec = HTTP2KeepaliveSpec(timeout: amount(settings.timeout))
        if settings.hasInterval { spec.interval = amount(settings.interval) }
        if settings.hasIntervalJitter { spec.jitterPercent = settings.intervalJitter.value }
        if settings.hasConnectionIdleInterval { spec.idleInterval = amount(settings.connectionIdleInterval) }
        return spec
    }
}
