// The list of endpoints as text, as Envoy prints it.

enum HelpPage {
    static func text(_ endpoints: [AdminEndpoint]) -> String {
        var text = "admin commands are:\n"
        for endpoint in endpoints {
            text += "  " + endpoint.path + (endpoint.isChanging ? " (POST): " : ": ") + endpoint.help + "\n"
            for parameter in endpoint.parameters {
                text += "      " + parameter.name + ": " + parameter.help
                if case .choice(let values) = parameter.input {
                    text += "; One of (" + values.joined(separator: ", ") + ")"
                }
                text += "\n"
            }
        }
        return text
    }
}
