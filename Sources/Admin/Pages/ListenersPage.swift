// `/listeners`: names and bound addresses, as text or JSON.
import Configuration

enum ListenersPage {
    static func answer(_ backend: any AdminBackend, _ parameters: AdminParameters) -> AdminAnswer {
        let listeners = backend.listeners
        if parameters["format"] == "json" {
            return AdminAnswer(.members(("listener_statuses", .list(listeners.map(status)))))
        }
        return AdminAnswer(
            listeners.map { listener in
                listener.addresses.map { "\(listener.name)::\($0)\n" }.joined()
            }.joined())
    }

    private static func status(_ listener: ListenerStatus) -> JSONValue {
        .members(
            ("name", .string(listener.name)),
            ("local_address", listener.addresses.first.map(JSONValue.address)),
            ("additional_local_addresses", .list(listener.addresses.dropFirst().map(JSONValue.address))))
    }
}
