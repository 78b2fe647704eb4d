// The pages for people: `/`, and `/stats?format=html`.

/// A page that uses nothing from elsewhere: no script, no image, no font.
enum HomePage {
    static func answer(_ desk: AdminDesk) -> AdminAnswer {
        var body = "<table>\n<tr><th>Endpoint</th><th>Parameters</th><th>What it does</th></tr>\n"
        for endpoint in desk.endpoints where endpoint.path != "/" { body += row(endpoint, AdminParameters()) }
        body += "</table>\n"
        return page(desk, body)
    }

    /// The stats as text under a form with the parameters that led to them.
    static func stats(
        _ desk: AdminDesk, _ parameters: AdminParameters, _ text: AdminAnswer, refreshes: Bool
    ) -> AdminAnswer {
        var body = "<table>\n"
        for endpoint in desk.endpoints where endpoint.path == "/stats" { body += row(endpoint, parameters) }
        body += "</table>\n<pre>\n"
        let lead = page(desk, body, refreshes: refreshes, isClosed: false).body
        guard let pieces = text.pieces else { return text }
        var state = (isFirst: true, isOver: false)
        return AdminAnswer(.html, memory: pieces.memory) {
            if state.isOver { return nil }
            if state.isFirst {
                state.isFirst = false
                return lead
            }
            if let piece = pieces.next() { return escaped(piece) }
            state.isOver = true
            return Array("</pre>\n</body>\n</html>\n".utf8)
        }
    }

    private static func page(
        _ desk: AdminDesk, _ body: String, refreshes: Bool = false, isClosed: Bool = true
    ) -> AdminAnswer {
        let backend = desk.backend
        let node = backend.configuration.spec.node
        let who = [node.id, node.cluster].filter { !$0.isEmpty }.joined(separator: " of ")
        let html = """
            <!DOCTYPE html>
            <html lang='en'>
            <head>
            <meta charset='utf-8'>\(refreshes ? "\n<meta http-equiv='refresh' content='5'>" : "")
            <title>Outrider Admin</title>
            <style>\(style)</style>
            </head>
            <body>
            <h1>Outrider <small>\(escaped(who))</small></h1>
            <p><b class='\(backend.state == .live ? "good" : "bad")'>\(backend.state.name)</b>
            up \(backend.uptime.seconds) s &middot; \(escaped(backend.version))</p>

            """
        return AdminAnswer(Array((html + body + (isClosed ? "</body>\n</html>\n" : "")).utf8), .html)
    }

    private static func row(_ endpoint: AdminEndpoint, _ values: AdminParameters) -> String {
        let action = escaped(String(endpoint.path.dropFirst()))
        let form = "form" + endpoint.path.replacing("/", with: "-")
        let kind = endpoint.isChanging ? "post" : "get"
        var cells = "<tr><td><form id='\(form)' action='\(action)' method='\(kind)'>"
        cells += "<button class='\(kind)'>\(escaped(endpoint.path))</button></form></td><td>"
        for parameter in endpoint.parameters { cells += input(parameter, form, values) + "\n" }
        return cells + "</td><td>\(escaped(endpoint.help))</td></tr>\n"
    }

    private static func input(
        _ parameter: AdminEndpoint.Parameter, _ form: String, _ values: AdminParameters
    ) -> String {
        let name = escaped(parameter.name)
        let value = values[parameter.name] ?? ""
        var field: String
        switch parameter.input {
        case .flag:
            let checked = values.has(parameter.name) ? " checked" : ""
            field = "<input type='checkbox' name='\(name)' form='\(form)'\(checked)>"
        case .text:
            field = "<input type='text' name='\(name)' form='\(form)' value='\(escaped(value))'>"
        case .choice(let choices):
            field = "<select name='\(name)' form='\(form)'>"
            for choice in choices {
                field += "<option\(choice == value ? " selected" : "")>\(escaped(choice))</option>"
            }
            field += "</select>"
        }
        return "<label title='\(escaped(parameter.help))'>\(name) \(field)</label>"
    }

    private static let style = """

        body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; color: #222; }
        h1 { font-size: 1.4em; } small { font-weight: normal; color: #666; }
        table { border-collapse: collapse; } th { text-align: left; }
        td, th { padding: .3em .8em .3em 0; border-bottom: 1px solid #ddd; vertical-align: top; }
        form { margin: 0; } label { margin-right: 1em; white-space: nowrap; color: #555; }
        button { font: inherit; cursor: pointer; }
        button.get { background: none; border: none; padding: 0; color: #06c; text-decoration: underline; }
        button.post { border: 1px solid #b60; background: #fff4e5; border-radius: 4px; }
        .good { color: #080; } .bad { color: #c00; }

        """

    /// Safe between tags and inside quoted attributes.
    static func escaped(_ text: String) -> String { String(decoding: escaped(Array(text.utf8)), as: UTF8.self) }

    private static func escaped(_ text: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        for byte in text {
            switch byte {
            case UInt8(ascii: "&"): out += "&amp;".utf8
            case UInt8(ascii: "<"): out += "&lt;".utf8
            case UInt8(ascii: ">"): out += "&gt;".utf8
            case UInt8(ascii: "\""): out += "&quot;".utf8
            case UInt8(ascii: "'"): out += "&#39;".utf8
            default: out.append(byte)
            }
        }
        return out
    }
}
