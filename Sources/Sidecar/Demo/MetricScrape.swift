// What a Prometheus page says, and what moved between two of them.

/// One reading of `/stats/prometheus`.
struct MetricScrape {
    enum Kind { case counter, gauge, histogram }

    struct Series {
        let kind: Kind
        /// As on the page: "envoy_cluster_upstream_rq".
        let name: String
        let labels: [(name: String, value: String)]
        /// Name and labels as they stand on the page.
        let key: String
        /// The value; a histogram's number of samples.
        var value = 0.0
        /// A histogram's sum of samples.
        var sum = 0.0

        func label(_ name: String) -> String? { labels.first { $0.name == name }?.value }
    }

    /// In the order of the page; found again by name and labels.
    private(set) var series: [Series] = []
    private var places: [String: Int] = [:]

    /// Lines that are none of the format are passed over.
    init(_ page: [UInt8] = []) {
        var kinds: [Substring: Kind] = [:]
        let text = String(decoding: page, as: UTF8.self)
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# TYPE ") {
                let words = line.split(separator: " ")
                guard words.count == 4 else { continue }
                kinds[words[2]] = words[3] == "counter" ? .counter : words[3] == "gauge" ? .gauge : .histogram
            } else if !line.hasPrefix("#") {
                add(line, kinds)
            }
        }
    }

    private mutating func add(_ line: Substring, _ kinds: [Substring: Kind]) {
        guard let open = line.firstIndex(of: "{"), let close = line.lastIndex(of: "}"), open < close,
            let value = Double(line[line.index(after: close)...].drop { $0 == " " })
        else { return }
        var name = line[..<open]
        let labelText = line[line.index(after: open)..<close]
        var isSum = false
        if kinds[name] == nil {
            // The parts of a histogram; its buckets are not looked at.
            if name.hasSuffix("_count") {
                name = name.dropLast(6)
            } else if name.hasSuffix("_sum") {
                name = name.dropLast(4)
                isSum = true
            } else {
                return
            }
        }
        guard let kind = kinds[name] else { return }
        let key = "\(name){\(labelText)}"
        let place: Int
        if let known = places[key] {
            place = known
        } else {
            place = series.count
            places[key] = place
            series.append(Series(kind: kind, name: String(name), labels: MetricScrape.labels(labelText), key: key))
        }
        if isSum { series[place].sum = value } else { series[place].value = value }
    }

    /// `a="x",b="y\"z"` (Prometheus text format 0.0.4).
    private static func labels(_ text: Substring) -> [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        var rest = text
        while let equals = rest.firstIndex(of: "=") {
            let name = String(rest[..<equals])
            rest = rest[equals...].dropFirst(2)
            var value = ""
            var isEscaped = false
            while let next = rest.popFirst() {
                if isEscaped {
                    value.append(next == "n" ? "\n" : next)
                    isEscaped = false
                } else if next == "\\" {
                    isEscaped = true
                } else if next == "\"" {
                    break
                } else {
                    value.append(next)
                }
            }
            found.append((name, value))
            if rest.first == "," { rest = rest.dropFirst() }
        }
        return found
    }

    /// The values of all series of this name and, if given, this label, together.
    func total(_ name: String, _ label: (name: String, value: String)? = nil) -> Int {
        var total = 0.0
        for one in series where one.name == name && label.map({ one.label($0.name) == $0.value }) ?? true {
            total += one.value
        }
        return Int(total)
    }

    /// The values that a label (its last words are enough) has among the series of this name, commonest first.
    func values(of label: String, in name: String) -> [String] {
        series.filter { $0.name == name && $0.value > 0 }.sorted { $0.value > $1.value }.compactMap { one in
            one.labels.first { $0.name.hasSuffix(label) }?.value
        }
    }

    // MARK: What moved

    /// Series of one thing: a listener, a cluster, the server...
    struct Group {
        let title: String
        var lines: [(name: String, change: String)]
    }

    /// What differs from an earlier reading, in groups.
    func moved(since earlier: MetricScrape) -> [Group] {
        var groups: [Group] = []
        for one in series {
            let before = earlier.places[one.key].map { earlier.series[$0] }
            guard let change = MetricScrape.change(one, before) else { continue }
            let (title, name) = MetricScrape.placement(one)
            if let index = groups.firstIndex(where: { $0.title == title }) {
                groups[index].lines.append((name, change))
            } else {
                groups.append(Group(title: title, lines: [(name, change)]))
            }
        }
        for index in groups.indices { groups[index].lines.sort { $0.name < $1.name } }
        return groups.sorted { $0.title < $1.title }
    }

    private static func change(_ now: Series, _ before: Series?) -> String? {
        let difference = now.value - (before?.value ?? 0)
        if difference == 0 { return nil }
        switch now.kind {
        case .counter: return "+\(number(difference))"
        case .gauge: return "\(number(before?.value ?? 0)) -> \(number(now.value))"
        case .histogram:
            let sum = now.sum - (before?.sum ?? 0)
            return "\(number(difference)) samples, mean \(number((sum / difference * 100).rounded() / 100))"
        }
    }

    private static func number(_ value: Double) -> String {
        Int(exactly: value).map { "\($0)" } ?? "\(value)"
    }

    /// Scopes, each with the label that names the thing.
    private static let scopes: [(prefix: String, title: String, label: String?)] = [
        ("cluster_manager_", "cluster manager", nil),
        ("cluster_", "cluster", "envoy_cluster_name"),
        ("listener_manager_", "listener manager", nil),
        ("listener_admin_", "listener admin", nil),
        ("listener_", "listener", "envoy_listener_address"),
        ("http_", "http", "envoy_http_conn_manager_prefix"),
        ("server_", "server", nil),
    ]

    /// The group that a series belongs to, and its name in there.
    private static func placement(_ one: Series) -> (title: String, name: String) {
        var name = one.name.hasPrefix("envoy_") ? String(one.name.dropFirst(6)) : one.name
        var title = "other"
        var spoken: String?
        if let scope = scopes.first(where: { name.hasPrefix($0.prefix) }) {
            name = String(name.dropFirst(scope.prefix.count))
            title = scope.title
            if let label = scope.label, let value = one.label(label) {
                title += " \(value)"
                spoken = label
            }
        }
        let rest = one.labels.filter { $0.name != spoken }.map(\.value)
        return (title, rest.isEmpty ? name : "\(name){\(rest.joined(separator: ","))}")
    }
}
